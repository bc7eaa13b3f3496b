// SPDX-License-Identifier: GPL-2.0

//! What makes a provider acceptable. Pure: the abi layer turns the C structure
//! into a [`Claim`], this module judges it.

use super::{
    span::SpanFault,
    window::{
        Window,
        NR_BARS, //
    },
};
use core::fmt;

/// The interface version this code implements (`VFIO_MEDIATE_ABI_VERSION`).
pub(crate) const ABI_VERSION: u32 = 4;

/// Longest provider name in bytes (`VFIO_MEDIATE_MAX_NAME`).
pub(crate) const MAX_NAME: usize = 31;

/// Number of hooks in `struct vfio_mediate_ops`; all are mandatory.
pub(crate) const NR_HOOKS: usize = 5;

/// Number of hooks in `struct vfio_mediate_migration_ops`; all or none are there.
pub(crate) const NR_MIGRATION_HOOKS: usize = 6;

/// Number of hooks in `struct vfio_mediate_log_ops`; all or none are there.
pub(crate) const NR_LOG_HOOKS: usize = 4;

/// Number of hooks in `struct vfio_mediate_prefault_ops`; all or none are there.
pub(crate) const NR_PREFAULT_HOOKS: usize = 3;

/// What a provider says of itself at registration.
pub(crate) struct Claim<'a> {
    /// The interface version it was built for.
    pub(crate) abi_version: u32,
    /// Whether it names a module that can be held while a VF is open.
    pub(crate) has_owner: bool,
    /// Its name without the terminating NUL, cut at [`MAX_NAME`] + 1 bytes.
    pub(crate) name: Option<&'a [u8]>,
    /// Whether it has a table of the VFs it knows.
    pub(crate) has_ids: bool,
    /// Each hook's name and whether it is there.
    pub(crate) hooks: [(&'static str, bool); NR_HOOKS],
    /// Its trap windows; `None` if the list is NULL but counted.
    pub(crate) windows: Option<&'a [Window]>,
    /// Each migration hook's name and whether it is there; `None` if its VFs
    /// cannot be moved.
    pub(crate) migration: Option<[(&'static str, bool); NR_MIGRATION_HOOKS]>,
    /// Each logging hook's name and whether it is there; `None` if it does not know what
    /// its VFs write.
    pub(crate) log: Option<[(&'static str, bool); NR_LOG_HOOKS]>,
    /// Each pre-fault hook's name and whether it is there; `None` if its VFs need all of
    /// their guests' memory.
    pub(crate) prefault: Option<[(&'static str, bool); NR_PREFAULT_HOOKS]>,
}

/// Why a provider is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// Built for another version of the interface.
    Version(u32),
    /// No owner module: nothing would keep it loaded.
    NoOwner,
    /// No name, or an empty one.
    NoName,
    /// A name longer than [`MAX_NAME`] bytes.
    NameTooLong,
    /// No table of VF ids.
    NoIds,
    /// A hook is NULL.
    MissingHook(&'static str),
    /// A migration hook is NULL, but others are offered.
    MissingMigrationHook(&'static str),
    /// A logging hook is NULL, but others are offered.
    MissingLogHook(&'static str),
    /// A pre-fault hook is NULL, but others are offered.
    MissingPrefaultHook(&'static str),
    /// It would hold back what VFs do that it cannot log.
    IdlePrefault,
    /// It would log VFs that cannot be moved, or without anything to be trapped.
    IdleLog,
    /// Windows are counted, but the list is NULL.
    NoWindowList,
    /// A window names something that is not a BAR.
    WindowRegion(usize),
    /// A window's range cannot be used.
    WindowSpan(usize, SpanFault),
    /// Two windows share a byte.
    WindowOverlap(usize, usize),
    /// No memory to look at the windows.
    NoMemory,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(v) => write!(
                f,
                "built for interface version {v}, this is {ABI_VERSION}: rebuild it"
            ),
            Self::NoOwner => f.write_str("owner is NULL: set it to THIS_MODULE"),
            Self::NoName => f.write_str("it has no name"),
            Self::NameTooLong => write!(f, "its name is longer than {MAX_NAME} bytes"),
            Self::NoIds => f.write_str("id_table is NULL"),
            Self::MissingHook(hook) => write!(f, "{hook} is NULL"),
            Self::MissingMigrationHook(hook) => write!(f, "migration->{hook} is NULL"),
            Self::MissingLogHook(hook) => write!(f, "log->{hook} is NULL"),
            Self::MissingPrefaultHook(hook) => write!(f, "prefault->{hook} is NULL"),
            Self::IdlePrefault => f.write_str("prefault is set, but log is NULL"),
            Self::IdleLog => f.write_str("log is set, but migration is NULL or there is no window"),
            Self::NoWindowList => f.write_str("nr_windows is set, but windows is NULL"),
            Self::WindowRegion(i) => write!(f, "window {i} is not in a BAR"),
            Self::WindowSpan(i, fault) => write!(f, "window {i} {fault}"),
            Self::WindowOverlap(i, j) => write!(f, "windows {i} and {j} overlap"),
            Self::NoMemory => f.write_str("no memory"),
        }
    }
}

impl Claim<'_> {
    /// Judges the claim: the first fault found, in the order of the structure.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.abi_version != ABI_VERSION {
            return Err(Refusal::Version(self.abi_version));
        }
        if !self.has_owner {
            return Err(Refusal::NoOwner);
        }
        match self.name {
            None | Some([]) => return Err(Refusal::NoName),
            Some(name) if name.len() > MAX_NAME => return Err(Refusal::NameTooLong),
            Some(_) => (),
        }
        if !self.has_ids {
            return Err(Refusal::NoIds);
        }
        if let Some((hook, _)) = self.hooks.iter().find(|(_, present)| !present) {
            return Err(Refusal::MissingHook(hook));
        }
        check_windows(self.windows.ok_or(Refusal::NoWindowList)?)?;
        if let Some((hook, _)) = self.migration.iter().flatten().find(|(_, there)| !there) {
            return Err(Refusal::MissingMigrationHook(hook));
        }
        let is_idle = self.migration.is_none() || self.windows.is_none_or(<[_]>::is_empty);
        if self.log.is_some() && is_idle {
            return Err(Refusal::IdleLog);
        }
        if let Some((hook, _)) = self.log.iter().flatten().find(|(_, there)| !there) {
            return Err(Refusal::MissingLogHook(hook));
        }
        if self.prefault.is_some() && self.log.is_none() {
            return Err(Refusal::IdlePrefault);
        }
        match self.prefault.iter().flatten().find(|(_, there)| !there) {
            Some((hook, _)) => Err(Refusal::MissingPrefaultHook(hook)),
            None => Ok(()),
        }
    }
}

fn check_windows(windows: &[Window]) -> Result<(), Refusal> {
    for (i, window) in windows.iter().enumerate() {
        if window.region >= NR_BARS {
            return Err(Refusal::WindowRegion(i));
        }
        window
            .span
            .check_pages()
            .map_err(|fault| Refusal::WindowSpan(i, fault))?;
        if let Some(j) = windows.iter().take(i).position(|w| w.overlaps(window)) {
            return Err(Refusal::WindowOverlap(j, i));
        }
    }
    Ok(())
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_provider))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::span::Span;
    use super::*;

    fn window(region: u32, offset: u64, size: u64) -> Window {
        Window {
            region,
            span: Span { offset, size },
            optional: false,
        }
    }

    fn good(windows: &[Window]) -> Claim<'_> {
        Claim {
            abi_version: ABI_VERSION,
            has_owner: true,
            name: Some(b"good"),
            has_ids: true,
            hooks: [
                ("open", true),
                ("release", true),
                ("get_region_info", true),
                ("rw", true),
                ("mmap", true),
            ],
            windows: Some(windows),
            migration: None,
            log: None,
            prefault: None,
        }
    }

    #[test]
    fn a_log_needs_something_to_log() {
        let hooks = ["start", "sync", "stop", "trap_write"];
        let windows = [window(0, 0x2000, 4096)];
        let mut claim = good(&windows);
        claim.log = Some(hooks.map(|hook| (hook, true)));
        assert_eq!(claim.check(), Err(Refusal::IdleLog));
        let migration = ["state_size", "save", "load", "quiesce", "resume", "reset"];
        claim.migration = Some(migration.map(|hook| (hook, true)));
        assert_eq!(claim.check(), Ok(()));
        for (i, hook) in hooks.into_iter().enumerate() {
            let mut lacking = hooks.map(|hook| (hook, true));
            lacking[i].1 = false;
            claim.log = Some(lacking);
            assert_eq!(claim.check(), Err(Refusal::MissingLogHook(hook)));
        }
        claim.log = Some(hooks.map(|hook| (hook, true)));
        claim.windows = Some(&[]);
        assert_eq!(claim.check(), Err(Refusal::IdleLog));
    }

    #[test]
    fn holding_back_needs_a_log() {
        let windows = [window(0, 0x2000, 4096)];
        let mut claim = good(&windows);
        let hooks = ["start", "retry", "stop"];
        claim.prefault = Some(hooks.map(|hook| (hook, true)));
        assert_eq!(claim.check(), Err(Refusal::IdlePrefault));
        let migration = ["state_size", "save", "load", "quiesce", "resume", "reset"];
        claim.migration = Some(migration.map(|hook| (hook, true)));
        let log = ["start", "sync", "stop", "trap_write"];
        claim.log = Some(log.map(|hook| (hook, true)));
        assert_eq!(claim.check(), Ok(()));
        for (i, hook) in hooks.into_iter().enumerate() {
            let mut lacking = hooks.map(|hook| (hook, true));
            lacking[i].1 = false;
            claim.prefault = Some(lacking);
            assert_eq!(claim.check(), Err(Refusal::MissingPrefaultHook(hook)));
        }
    }

    #[test]
    fn migration_is_offered_whole_or_not_at_all() {
        let hooks = ["state_size", "save", "load", "quiesce", "resume", "reset"];
        let mut claim = good(&[]);
        claim.migration = Some(hooks.map(|hook| (hook, true)));
        assert_eq!(claim.check(), Ok(()));
        for (i, hook) in hooks.into_iter().enumerate() {
            let mut lacking = hooks.map(|hook| (hook, true));
            lacking[i].1 = false;
            claim.migration = Some(lacking);
            assert_eq!(claim.check(), Err(Refusal::MissingMigrationHook(hook)));
        }
    }

    #[test]
    fn a_whole_provider_passes() {
        assert_eq!(good(&[]).check(), Ok(()));
        let two = [window(0, 0x2000, 4096), window(0, 0x3000, 4096)];
        assert_eq!(good(&two).check(), Ok(()));
        let same_span_of_two_bars = [window(0, 0, 4096), window(1, 0, 4096)];
        assert_eq!(good(&same_span_of_two_bars).check(), Ok(()));
    }

    #[test]
    fn each_missing_piece_is_named() {
        let mut claim = good(&[]);
        claim.abi_version = 7;
        assert_eq!(claim.check(), Err(Refusal::Version(7)));
        let mut claim = good(&[]);
        claim.has_owner = false;
        assert_eq!(claim.check(), Err(Refusal::NoOwner));
        let mut claim = good(&[]);
        claim.name = Some(b"");
        assert_eq!(claim.check(), Err(Refusal::NoName));
        let mut claim = good(&[]);
        claim.name = Some(&[b'x'; MAX_NAME + 1]);
        assert_eq!(claim.check(), Err(Refusal::NameTooLong));
        let mut claim = good(&[]);
        claim.has_ids = false;
        assert_eq!(claim.check(), Err(Refusal::NoIds));
        let mut claim = good(&[]);
        claim.windows = None;
        assert_eq!(claim.check(), Err(Refusal::NoWindowList));
        for i in 0..NR_HOOKS {
            let mut claim = good(&[]);
            claim.hooks[i].1 = false;
            assert_eq!(claim.check(), Err(Refusal::MissingHook(claim.hooks[i].0)));
        }
    }

    #[test]
    fn bad_windows_are_refused() {
        let check = |windows: &[Window]| good(windows).check();
        assert_eq!(
            check(&[window(NR_BARS, 0, 4096)]),
            Err(Refusal::WindowRegion(0))
        );
        assert_eq!(
            check(&[window(0, 0, 4096), window(0, 100, 4096)]),
            Err(Refusal::WindowSpan(1, SpanFault::NotPageAligned))
        );
        assert_eq!(
            check(&[
                window(0, 0, 8192),
                window(1, 0, 4096),
                window(0, 4096, 4096)
            ]),
            Err(Refusal::WindowOverlap(0, 2))
        );
    }
}
