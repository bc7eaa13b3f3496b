// SPDX-License-Identifier: GPL-2.0

//! Whether a VF that comes from elsewhere fits here. Pure.
//!
//! What the administrator has set is this host's own. What was set elsewhere is
//! compared only: where the guest would notice a difference the VF is refused, with
//! the line that cures it, so that the move fails while the guest still runs there.

use super::state::Known;
use crate::vf::logic::{
    install,
    mac::Mac,
    policy::Denial,
    state::{
        AdminState,
        LinkPolicy,
        PfState,
        PortVlan,
        VfState, //
    }, //
};
use core::fmt;

/// Why a VF does not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misfit {
    /// Its address was set, and is not so here.
    Mac(Mac),
    /// Its address is set here, and was not, or it uses another.
    NoMac,
    /// It was kept in this VLAN, or in none.
    Vlan(Option<PortVlan>),
    /// What it was told of the link.
    Link(LinkPolicy),
    /// It was not checked for foreign sources.
    Spoofchk,
    /// It was limited to this rate in Mbit/s, or not at all if 0, and is more so here.
    Rate(u16),
    /// It uses what it may for being trusted.
    Trust(Denial),
    /// What its driver had set is refused here.
    Denied(Denial),
}

/// How [`Misfit`] is told: for VF `vf` of the interface `device`.
pub(crate) struct Told<'a> {
    /// What is wrong.
    pub(crate) misfit: Misfit,
    /// Name of the PF's interface.
    pub(crate) device: &'a str,
    /// The VF.
    pub(crate) vf: usize,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cure = |f: &mut fmt::Formatter<'_>, why: &str| {
            write!(f, "{why}: ip link set {} vf {} ", self.device, self.vf)
        };
        match self.misfit {
            Misfit::Mac(Mac([a, b, c, d, e, g])) => {
                cure(f, "its address was set by the source's administrator")?;
                write!(f, "mac {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Misfit::NoMac => {
                cure(f, "an address is set for it here that is not the guest's")?;
                f.write_str("mac 00:00:00:00:00:00")
            }
            Misfit::Vlan(port) => {
                cure(f, "its port VLAN differs from the source's")?;
                let PortVlan { vid, qos } = port.unwrap_or(PortVlan { vid: 0, qos: 0 });
                write!(f, "vlan {vid} qos {qos}")
            }
            Misfit::Link(link) => {
                cure(f, "its link state setting differs from the source's")?;
                f.write_str(match link {
                    LinkPolicy::Auto => "state auto",
                    LinkPolicy::Enable => "state enable",
                    LinkPolicy::Disable => "state disable",
                })
            }
            Misfit::Spoofchk => {
                cure(f, "the source did not check it for spoofing")?;
                f.write_str("spoofchk off")
            }
            Misfit::Rate(rate) => {
                cure(f, "its rate limit is stricter than the source's")?;
                write!(f, "max_tx_rate {rate}")
            }
            Misfit::Trust(denial) => {
                cure(f, reason(denial))?;
                f.write_str("trust on")
            }
            Misfit::Denied(denial) => f.write_str(reason(denial)),
        }
    }
}

fn reason(denial: Denial) -> &'static str {
    match denial {
        Denial::NotReady => "there is no such VF",
        Denial::AdminMac => "the guest uses addresses beside the one set for it",
        Denial::InvalidMac => "the guest uses a group's address as its own",
        Denial::MacTaken => "an address of the guest's belongs to the PF or another VF of this NIC",
        Denial::FiltersFull => "the guest uses more addresses than this NIC has left for it",
        Denial::PortVlan => "the guest is in VLANs of its own, and kept in one here",
        Denial::VlansFull => "the guest is in more VLANs than this NIC has left for it",
        Denial::FrameTooSmall => "the guest asks for frames that cannot be",
        Denial::Untrusted => "the guest receives all unicast packets",
    }
}

/// Whether `here` holds a guest up more than `source`; both in Mbit/s, 0 for no limit.
fn is_stricter(here: u16, source: u16) -> bool {
    here != 0 && (source == 0 || here < source)
}

/// Compares what administrators have set. `guest` is the address the guest chose.
fn settings(source: &AdminState, here: &AdminState, guest: Option<Mac>) -> Result<(), Misfit> {
    match (source.mac, here.mac) {
        (Some(mac), here) if here != Some(mac) => return Err(Misfit::Mac(mac)),
        (None, Some(mac)) if guest != Some(mac) => return Err(Misfit::NoMac),
        _ => {}
    }
    if source.port_vlan != here.port_vlan {
        return Err(Misfit::Vlan(source.port_vlan));
    }
    if source.link != here.link {
        return Err(Misfit::Link(source.link));
    }
    // A guest notices that packets of its own are dropped or held up, not that they no
    // longer would be.
    if here.spoofchk && !source.spoofchk {
        return Err(Misfit::Spoofchk);
    }
    if is_stricter(here.max_tx_rate, source.max_tx_rate) {
        return Err(Misfit::Rate(source.max_tx_rate));
    }
    Ok(())
}

/// Whether VF `vf` of `vfs` can take over `known`. Changes nothing.
pub(crate) fn check(
    vfs: &mut [VfState],
    pf: &PfState,
    vf: usize,
    known: &Known,
) -> Result<(), Misfit> {
    let here = vfs.get(vf).ok_or(Misfit::Denied(Denial::NotReady))?.admin;
    settings(&known.admin, &here, known.guest.mac)?;
    install::check(vfs, pf, vf, &known.guest).map_err(|denial| {
        // Where trust makes the difference it is what cures it.
        let trusted = known.admin.trusted && !here.trusted;
        let by_trust = match denial {
            Denial::Untrusted | Denial::AdminMac | Denial::MacTaken => true,
            Denial::NotReady
            | Denial::InvalidMac
            | Denial::FiltersFull
            | Denial::PortVlan
            | Denial::VlansFull
            | Denial::FrameTooSmall => false,
        };
        if trusted && by_trust {
            Misfit::Trust(denial)
        } else {
            Misfit::Denied(denial)
        }
    })
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_compare))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;
    use crate::vf::logic::state::GuestState;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn known() -> Known {
        Known {
            admin: AdminState::new(),
            guest: GuestState {
                mac: Some(OWN),
                enabled: true,
                cts: true,
                ..GuestState::new()
            },
        }
    }

    fn check(admin: AdminState, known: &Known) -> Result<(), Misfit> {
        let mut vfs = [VfState::new(); 2];
        vfs[1].admin = admin;
        let before = vfs;
        let pf = PfState {
            mac: Mac([2, 0, 0, 0, 0, 0xff]),
            ..PfState::new()
        };
        let answer = super::check(&mut vfs, &pf, 1, known);
        assert!(vfs == before);
        answer
    }

    #[test]
    fn the_same_settings_fit() {
        let mut known = known();
        assert_eq!(check(known.admin, &known), Ok(()));
        known.admin.port_vlan = Some(PortVlan { vid: 5, qos: 1 });
        known.admin.link = LinkPolicy::Enable;
        assert_eq!(check(known.admin, &known), Ok(()));
    }

    #[test]
    fn an_address_is_the_same_or_the_guests_own() {
        let mut known = known();
        let mut here = AdminState::new();
        here.mac = Some(OWN);
        assert_eq!(check(here, &known), Ok(()));
        known.guest.mac = None;
        assert_eq!(check(here, &known), Err(Misfit::NoMac));
        known.admin.mac = Some(OWN);
        assert_eq!(check(here, &known), Ok(()));
        here.mac = None;
        assert_eq!(check(here, &known), Err(Misfit::Mac(OWN)));
    }

    #[test]
    fn what_the_guest_would_notice_is_refused() {
        let known = known();
        let with = |f: &dyn Fn(&mut AdminState)| {
            let mut here = AdminState::new();
            f(&mut here);
            check(here, &known)
        };
        let port = PortVlan { vid: 5, qos: 0 };
        assert_eq!(
            with(&|here| here.port_vlan = Some(port)),
            Err(Misfit::Vlan(None))
        );
        let disable = LinkPolicy::Disable;
        assert_eq!(
            with(&|here| here.link = disable),
            Err(Misfit::Link(LinkPolicy::Auto))
        );
        assert_eq!(with(&|here| here.spoofchk = false), Ok(()));
        assert_eq!(with(&|here| here.trusted = true), Ok(()));
    }

    #[test]
    fn no_rate_limit_gets_stricter() {
        for (source, here, answer) in [
            (0, 0, Ok(())),
            (0, 1000, Err(Misfit::Rate(0))),
            (200, 199, Err(Misfit::Rate(200))),
            (200, 200, Ok(())),
            (200, 201, Ok(())),
            (200, 0, Ok(())),
        ] {
            let mut known = known();
            known.admin.max_tx_rate = source;
            let mut admin = AdminState::new();
            admin.max_tx_rate = here;
            assert_eq!(check(admin, &known), answer);
        }
    }

    #[test]
    fn trust_is_asked_for_where_it_is_used() {
        let mut known = known();
        known.admin.trusted = true;
        assert_eq!(check(AdminState::new(), &known), Ok(()));
        known.guest.all_unicast = true;
        let misfit = Misfit::Trust(Denial::Untrusted);
        assert_eq!(check(AdminState::new(), &known), Err(misfit));
        assert_eq!(check(known.admin, &known), Ok(()));
        // A state that claims less gets no more.
        known.admin.trusted = false;
        let misfit = Misfit::Denied(Denial::Untrusted);
        assert_eq!(check(AdminState::new(), &known), Err(misfit));
    }
}
