//! Owner of a lease: the importing process, so that `clean` leaves the leases of running imports alone.

use std::fs;

use super::peer::process_namespace;

/// Owner as a label's value: boot, process namespace, process and its start in ticks since the boot.
pub(crate) fn of_this_process() -> String {
    let pid = std::process::id();
    let [boot, started] = [boot(), started(pid)].map(Option::unwrap_or_default);
    format!("{boot}/{}/{pid}/{started}", process_namespace())
}

/// Whether the owner is surely gone. One in another process namespace cannot be seen, so it may live.
pub(crate) fn is_gone(owner: &str) -> bool {
    let parts: Vec<&str> = owner.split('/').collect();
    let [boot_then, namespace, pid, started_then] = parts[..] else { return false };
    match boot() {
        Some(now) if now != boot_then => true,
        Some(_) if namespace == process_namespace().to_string() => {
            pid.parse().is_ok_and(|pid| started(pid).is_none_or(|now| now != started_then))
        }
        _ => false,
    }
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

/// Start of a process: the 22nd field of its `stat`. A number may be given again, with another start.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may contain spaces.
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_is_gone_only_if_that_is_sure() {
        let own = of_this_process();
        assert!(!is_gone(&own), "{own}");
        let parts: Vec<&str> = own.split('/').collect();
        let [boot, namespace, pid, started] = parts[..] else { panic!("{own}") };
        assert!(is_gone(&format!("{boot}/{namespace}/{pid}/1{started}")), "the number was given again");
        assert!(is_gone(&format!("{boot}/{namespace}/4194305/{started}")), "no such process");
        assert!(is_gone(&format!("other/{namespace}/{pid}/{started}")), "an earlier boot");
        assert!(!is_gone(&format!("{boot}/1/4194305/{started}")), "another process namespace");
        assert!(!is_gone("") && !is_gone("a/b"));
    }
}
