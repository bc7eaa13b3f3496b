# SPDX-License-Identifier: GPL-2.0
"""What tests need inside the rig: PCI devices by sysfs, and guests."""
