# SPDX-License-Identifier: GPL-2.0
"""Checks that read files as text: licence lines, words, length."""

import re

from tree import Result, at

# ---- SPDX ----------------------------------------------------------------

LICENCE = r"SPDX-License-Identifier: GPL-2\.0(?:-only|-or-later)?"
STYLES = {
    "//": re.compile(rf"// {LICENCE}$"),
    "/* */": re.compile(rf"/\* {LICENCE} \*/$"),
    # A header for user space must not bind its users.
    "/* */ for user space": re.compile(rf"/\* {LICENCE} WITH Linux-syscall-note \*/$"),
    "#": re.compile(rf"# {LICENCE}$"),
}
BY_SUFFIX = {".rs": "//", ".c": "//", ".h": "/* */", ".S": "/* */", ".py": "#", ".sh": "#", ".mk": "#"}
BY_NAME = {"Makefile": "#", "Kbuild": "#", "Kconfig": "#"}


def spdx_style(path, first_line, executable):
    """How the licence line of a file is to look; None: it needs none."""
    if path.name in BY_NAME:
        return BY_NAME[path.name]
    if path.suffix in BY_SUFFIX:
        if path.suffix == ".h" and "uapi" in path.parts:
            return "/* */ for user space"
        return BY_SUFFIX[path.suffix]
    if path.suffix or path.name.startswith("."):
        return None
    # Scripts without a suffix, those that are only sourced too.
    sourced = first_line.startswith("#") and path.parts[0] in ("scripts", ".ci", "tests", "tools")
    return "#" if executable or first_line.startswith("#!") or sourced else None


def spdx(tree):
    result = Result()
    for path in tree.files():
        lines = tree.text(path).splitlines()[:2] + ["", ""]
        style = spdx_style(path, lines[0], tree.is_executable(path))
        if style is None:
            continue
        line = 2 if lines[0].startswith("#!") else 1
        if not STYLES[style].match(lines[line - 1]):
            result.findings.append(at(path, line, f"no SPDX line ({style} style)"))
    return result


# ---- Nothing of a NIC in mediate/ ----------------------------------------

# Words are delimited by anything but letters and digits, so that RDT is found
# in `write_rdt` and `RDT(0)`; case does not matter. "N" is an optional number.
NIC_WORDS = """
    82576 82575 i350 8086 10c9 10ca
    igb igbvf igbN e1000 e1000e ixgbe
    RDTN RDHN RDBALN RDBAHN RDLENN SRRCTLN RXDCTLN RXCTLN RQDPCN RXPBS
    TDTN TDHN TDBALN TDBAHN TDLENN TXDCTLN TXCTLN TDWBALN TDWBAHN TXPBS
    VTCTRL VTSTATUS VTEICR VTEICS VTEIMS VTEIMC VTEIAC VTEIAM VTEITRN VTIVARN
    PVTCTRL PVTEICR PVTEICS PVTEIMS PVTEIMC PVTEIAC PVTEIAM
    EICR EICS EIMS EIMC EIAC EIAM EITRN IVARN GPIE
    VMBMEM V2PMAILBOXN P2VMAILBOXN MBVFICR MBVFIMR VFLRE VFRE VFTE
    VMOLRN VMVIRN RPLOLR DTXSWC VLVFN VFTA VMRCTLN WVBR TXSWC LVMMC
    RALN RAHN MTA UTA MRQC RCTL TCTL RLPML PSRTYPEN PFRSTD RTTBCNRC
    GPRC GPTC GORC GOTC MPRC VFGPRC VFGPTC VFGORC VFGOTC VFMPRC GPRLBC GPTLBC GORLBC GOTLBC
    FRTIMER PBACL PBACLR PBRWAC PBTWAC DCA
"""
NIC = re.compile(
    r"(?<![a-z0-9])(?:0x)?(?:"
    + "|".join(re.sub("N$", r"\\d*", word) for word in sorted(NIC_WORDS.split(), key=len, reverse=True))
    + r")(?![a-z0-9])",
    re.IGNORECASE,
)


def neutral(tree):
    """The mediator knows no NIC: neither ids nor registers, in code or comments."""
    result = Result()
    for path in tree.files():
        if path.parts[0] == "mediate":
            for number, line in enumerate(tree.text(path).splitlines(), 1):
                for match in NIC.finditer(line):
                    result.findings.append(at(path, number, f"{match.group()} belongs to a NIC"))
    return result


# ---- Nothing of a machine anywhere ---------------------------------------

# The brackets keep this list from being found by itself.
PLACES = re.compile(
    r"/[r]oot/|/[h]ome/|[d]eb\.debian\.org|[s]napshot\.debian|[p]ypi\.org|[r]egistry\.npmjs\.org|[g]oogle"
    r"|(?://|\bindex\.|\bstatic\.)[c]rates\.io"
)
# Cargo writes its registry's name there.
PLACES_EXEMPT = {"Cargo.lock"}


def places(tree):
    result = Result()
    for path in tree.files():
        if path.name in PLACES_EXEMPT:
            continue
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            for match in PLACES.finditer(line):
                result.findings.append(at(path, number, f"{match.group()} names a place on one machine or a host"))
    return result


# ---- Length --------------------------------------------------------------

LONGEST = 500


def length(tree):
    """Long files are shown, never a failure."""
    result = Result()
    for path in tree.named(".rs", ".c", ".h", ".py"):
        lines = len(tree.text(path).splitlines())
        if lines > LONGEST:
            result.notes.append(f"{path}: {lines} lines, more than {LONGEST}")
    return result
