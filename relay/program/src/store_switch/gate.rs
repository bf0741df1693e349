//! Gate of the switch: is this an engine whose store is surely switched and surely restored?

use super::config::OLD_DRIVER;
use super::engine::Info;
use super::error::Refusal;
use super::machine::Store;

/// First version whose containerd store has what an import needs.
const OLDEST: u32 = 25;

/// Checks what an engine says about itself.
pub(crate) fn check(info: &Info) -> Result<(), Refusal> {
    let engine = |why: &str| Err(Refusal::Engine(why.to_owned()));
    let major = info.server_version.split('.').next().and_then(|text| text.parse::<u32>().ok());
    if info.os_type != "linux" {
        return engine(&format!("it runs on {:?}, not on Linux", info.os_type));
    }
    if info.operating_system.contains("Docker Desktop") {
        return engine("Docker Desktop keeps it in a virtual machine");
    }
    if let Some(option) = info.security_options.iter().flatten().find(|o| maps_users(o)) {
        return engine(&format!("it maps users ({option})"));
    }
    if major.is_none_or(|major| major < OLDEST) {
        return Err(Refusal::Old(info.server_version.clone()));
    }
    if info.live_restore_enabled {
        return engine("its containers outlive a restart (live-restore), without the store that they are in");
    }
    if info.is_in_swarm() {
        return engine("it is a node of a swarm, which starts services anew");
    }
    match info.store() {
        Store::Driver(driver) if driver == OLD_DRIVER => Ok(()),
        other => engine(&format!("it has the store {other}, and only overlay2 is known")),
    }
}

fn maps_users(option: &str) -> bool {
    option.contains("name=rootless") || option.contains("name=userns")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answer of Docker 28.0.4, shortened, with some of its text replaced.
    fn refusal(replace: &str, by: &str) -> Option<String> {
        let json = r#"{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]],"OSType":"linux",
            "OperatingSystem":"Ubuntu 24.04.3 LTS","ServerVersion":"28.0.4","LiveRestoreEnabled":false,
            "SecurityOptions":["name=apparmor","name=seccomp,profile=builtin"],"Swarm":{"LocalNodeState":"inactive"}}"#;
        assert!(json.contains(replace));
        let info: Info = serde_json::from_str(&json.replace(replace, by)).unwrap();
        check(&info).err().map(|e| e.to_string())
    }

    #[test]
    fn engine_of_a_hosted_runner_passes() {
        assert_eq!(refusal("{", "{"), None);
        assert_eq!(refusal(r#"["name=apparmor","name=seccomp,profile=builtin"]"#, "null"), None);
        assert_eq!(refusal("28.0.4", "25.0.0-rc.1"), None);
    }

    #[test]
    fn engines_that_are_not_surely_restored_are_refused() {
        for (replace, by, why) in [
            ("28.0.4", "24.0.9", "Docker \"24.0.9\" is older than 25"),
            ("28.0.4", "dev", "older than 25"),
            ("Ubuntu 24.04.3 LTS", "Docker Desktop", "Docker Desktop"),
            ("name=apparmor", "name=rootless", "maps users (name=rootless)"),
            ("name=apparmor", "name=userns", "maps users (name=userns)"),
            ("false", "true", "live-restore"),
            ("inactive", "active", "swarm"),
            ("overlay2", "btrfs", "btrfs"),
            ("linux", "windows", "windows"),
        ] {
            let text = refusal(replace, by).unwrap_or_default();
            assert!(text.contains(why) && !text.contains('\n'), "{by}: {text}");
        }
    }
}
