//! `--context` and `--image`: the user's own image, found and checked before anything runs. It is only ever read.

use std::path::{Path, PathBuf};

use handoff_experiment::Factors;
use handoff_model::user_image::BuildArg;
use handoff_model::{PlanRequest, UserImage, image_name, shell};
use handoff_relay::build_context::{check_dockerfile, context_dir, default_dockerfile, named_dockerfile};
use handoff_runner::user_daemon;

use crate::exit::{bad_input, bail_input};

/// Options that name the user's image.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct UserImageArgs {
    /// Build the image from this folder instead of a synthetic workload; the folder is only read
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Dockerfile of --context [default: DIR/Dockerfile]
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<PathBuf>,
    /// Build argument of --context; repeat the option for more
    #[arg(long = "build-arg", value_name = "KEY=VALUE")]
    build_args: Vec<String>,
    /// Use this image of your daemon, for the strategies that do not rebuild
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
}

impl UserImageArgs {
    /// Returns the user's image that the options or the stored run name.
    ///
    /// # Errors
    /// Options that contradict each other, or an image or folder that does not exist.
    pub fn image(&self, factors: &Factors, stored: Option<&UserImage>) -> anyhow::Result<Option<UserImage>> {
        let values = self.build_args.first().filter(|_| stored.is_none()).map(|_| "--build-arg");
        if self.context.is_none()
            && let Some(option) = self.dockerfile.as_ref().map(|_| "--dockerfile").or(values)
        {
            bail_input!("{option} needs --context DIR: add it");
        }
        let option = match (&self.context, &self.image) {
            (None, None) => return stored.map(|user_image| with_values(user_image, &self.build_args)).transpose(),
            (Some(_), Some(_)) => return Err(bad_input("--context and --image are two images: name one of them")),
            (Some(_), None) => "--context",
            (None, Some(_)) => "--image",
        };
        let others = [("--sizes", factors.sizes.is_some()), ("--workload", factors.workloads.is_some())];
        if let Some((other, _)) = others.into_iter().find(|(_, given)| *given) {
            bail_input!("{option} names an image of your own, to which {other} does not apply: leave {other} out");
        }
        match (&self.context, &self.image) {
            (Some(dir), _) => context(dir, self.dockerfile.as_deref(), &self.build_args).map(Some),
            (_, Some(name)) => image(name).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// A build context.
///
/// The Dockerfile's path stays as it was given: Docker takes the ignore file by that name (`NAME.dockerignore` beside it, else
/// `.dockerignore` of the context), never by the name of what a link points to.
fn context(dir: &Path, dockerfile: Option<&Path>, build_args: &[String]) -> anyhow::Result<UserImage> {
    let found = context_dir(dir)?;
    let dockerfile = dockerfile.map(|file| named_dockerfile(file, "--dockerfile")).transpose()?;
    if dockerfile.is_none() {
        check_dockerfile(&default_dockerfile(&found), "--dockerfile")?;
    }
    Ok(UserImage::Context { dir: found, dockerfile, build_args: parse_build_args(build_args)? })
}

fn parse_build_args(build_args: &[String]) -> anyhow::Result<Vec<BuildArg>> {
    build_args.iter().map(|arg| BuildArg::parse(arg)).collect::<Result<_, _>>().map_err(bad_input)
}

/// An image of the user's daemon.
fn image(name: &str) -> anyhow::Result<UserImage> {
    image_name::check(name).map_err(|e| bad_input(format!("--image {}: {e}", shell::quote(name))))?;
    let found = user_daemon::find(name).map_err(bad_input)?;
    Ok(UserImage::Image { name: name.to_owned(), id: found.id, bytes: Some(found.bytes), store: found.store })
}

/// Adds the values of build arguments to a stored run's image: files hold digests of them, by which another value is
/// noticed.
fn with_values(stored: &UserImage, build_args: &[String]) -> anyhow::Result<UserImage> {
    let given = parse_build_args(build_args)?;
    let UserImage::Context { dir, dockerfile, build_args: held } = stored else {
        return match given.first() {
            None => Ok(stored.clone()),
            Some(arg) => Err(bad_input(format!("--build-arg {}: {stored} is not built: leave it out", arg.name()))),
        };
    };
    if let Some(arg) = given.iter().find(|arg| !held.iter().any(|h| h.name() == arg.name())) {
        bail_input!(
            "--build-arg {}: the run was planned without it: leave it out to go on, or use another --out",
            arg.name()
        );
    }
    let value = |held: &BuildArg| match given.iter().rfind(|arg| arg.name() == held.name()) {
        Some(arg) if held.is_same(arg) => Ok(arg.clone()),
        Some(arg) => bail_input!(
            "--build-arg {}: the run was planned with another value: give that one to go on, or use another --out",
            arg.name()
        ),
        None => Ok(held.clone()),
    };
    let build_args = held.iter().map(value).collect::<anyhow::Result<_>>()?;
    Ok(UserImage::Context { dir: dir.clone(), dockerfile: dockerfile.clone(), build_args })
}

/// Refuses to build without the values of build arguments, which no file keeps.
///
/// # Errors
/// The arguments whose values are missing.
pub fn check_values(request: &PlanRequest, out: &Path) -> anyhow::Result<()> {
    let missing = request.user_image.as_ref().map(UserImage::values_to_ask).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let options: Vec<String> = missing.iter().map(|name| format!(" --build-arg {name}=VALUE")).collect();
    Err(bad_input(format!(
        "values of build arguments are not kept with the results: give them again, with `handoff run --resume --out {}{}`",
        shell::quote(&out.to_string_lossy()),
        options.concat()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_as_a_dockerfile_keeps_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("docker")).unwrap();
        std::fs::write(dir.path().join("docker/app.Dockerfile"), "FROM scratch\n").unwrap();
        let link = dir.path().join("Dockerfile");
        std::os::unix::fs::symlink("docker/app.Dockerfile", &link).unwrap();
        let UserImage::Context { dockerfile, .. } = context(dir.path(), Some(&link), &[]).unwrap() else {
            panic!("a context")
        };
        assert_eq!(dockerfile.as_deref(), Some(link.as_path()));
    }

    #[test]
    fn wrong_dockerfile_is_described_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let says = |file: &str| context(dir.path(), Some(&dir.path().join(file)), &[]).unwrap_err().to_string();
        std::fs::create_dir(dir.path().join("docker")).unwrap();
        assert!(says("docker").contains("is a folder"), "{}", says("docker"));
        assert!(says("none").contains("is not there"));
        std::os::unix::fs::symlink("nowhere", dir.path().join("broken")).unwrap();
        assert!(says("broken").contains("is a link to a file that is not there"));
        let none = context(dir.path(), None, &[]).unwrap_err().to_string();
        assert!(none.contains("Dockerfile is not there"), "{none}");
        std::fs::write(dir.path().join("dockerfile"), "FROM scratch\n").unwrap();
        assert!(context(dir.path(), None, &[]).is_ok(), "Docker takes this name too");
    }

    #[test]
    fn resumed_run_asks_for_values_and_notices_another_one() {
        let stored = |text: &str| -> UserImage {
            let arg = BuildArg::parse(text).unwrap();
            let user_image = UserImage::Context { dir: "/x".into(), dockerfile: None, build_args: vec![arg] };
            serde_json::from_str(&serde_json::to_string(&user_image).unwrap()).unwrap()
        };
        let user_image = stored("THEME=dark");
        assert_eq!(user_image.values_to_ask(), ["THEME"]);
        assert!(with_values(&user_image, &["THEME=dark".to_owned()]).unwrap().values_to_ask().is_empty());
        let error = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            with_values(&user_image, &args).unwrap_err().to_string()
        };
        assert!(error(&["THEME=light"]).contains("another value"));
        assert!(error(&["OTHER=dark"]).contains("planned without it"));
    }
}
