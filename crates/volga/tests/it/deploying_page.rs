//! The Dockerfile of the page "Deploying" builds the project that Quick Start describes. These
//! tests follow its paths in a model of the context and of the images; they do not run Docker.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

const PAGE: &str = include_str!("../../../../docs/src/deploying.md");
const QUICK_START: &str = include_str!("../../../../docs/src/quick-start.md");

/// The lines of the code block that begins with this line.
fn block(first: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(first).expect("the block is on the page");
    rest.split_once("```").expect("the block ends").0.lines().collect()
}

/// Resolves `.` and `..`.
fn joined(folder: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

/// The files that a stage of the Dockerfile has made.
#[derive(Default)]
struct Stage {
    folder: PathBuf,
    paths: BTreeSet<PathBuf>,
    user: Option<&'static str>,
    volume: Option<PathBuf>,
}

/// Follows the Dockerfile, and returns its last stage.
fn build(context: &BTreeSet<PathBuf>) -> Stage {
    let path = QUICK_START
        .lines()
        .find_map(|line| line.strip_prefix("volga = { path = \"")?.split('"').next())
        .expect("Quick Start has a path");
    let mut stages: Vec<Stage> = Vec::new();
    for line in block("# my-app/Dockerfile\n") {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["FROM", ..] = words[..] {
            stages.push(Stage { folder: "/".into(), ..Stage::default() });
            continue;
        }
        let (stage, before) = stages.split_last_mut().expect("FROM comes first");
        match words[..] {
            ["WORKDIR", folder] => stage.folder = joined(&stage.folder, folder),
            ["COPY", from, to] if !from.starts_with("--") => {
                assert!(context.contains(Path::new(from)), "`{from}` is not in the context");
                for file in context.iter().filter(|file| file.starts_with(from)) {
                    let rest = file.strip_prefix(from).unwrap();
                    stage.paths.insert(joined(&stage.folder, to).join(rest));
                }
            }
            ["COPY", "--from=build", from, to] => {
                let built = &before.first().expect("a stage before").paths;
                assert!(built.contains(Path::new(from)), "`{from}` is not built");
                stage.paths.insert(to.into());
            }
            ["RUN", "cargo", "build", "--release", ..] => {
                for needed in ["Cargo.toml", "Cargo.lock", &format!("{path}/Cargo.toml")] {
                    let needed = joined(&stage.folder, needed);
                    assert!(stage.paths.contains(&needed), "{} is missing", needed.display());
                }
                stage.paths.insert(stage.folder.join("target/release/my-app"));
            }
            ["RUN", "useradd", "--system", "--uid", uid, "my-app", "&&", "install", .., folder] => {
                assert!(line.contains("--owner=my-app"), "{line}");
                stage.user = Some(uid);
                stage.paths.insert(folder.into());
            }
            ["USER", uid] => assert_eq!(stage.user, Some(uid), "the user is created before"),
            ["VOLUME", folder] => stage.volume = Some(folder.into()),
            ["CMD", program] => {
                let name = program.trim_matches(['[', ']', '"']);
                let program = Path::new("/usr/local/bin").join(name);
                assert!(stage.paths.contains(&program), "{line}");
            }
            [] | ["ENV" | "EXPOSE" | "#", ..] => {}
            _ => panic!("the model does not know this line: {line}"),
        }
    }
    stages.pop().expect("a stage")
}

/// The project of the page and Volga beside it, without what the page ignores.
fn context() -> BTreeSet<PathBuf> {
    let ignored = block("# my-app/Dockerfile.dockerignore\n");
    let project = ["Cargo.toml", "Cargo.lock", "src/main.rs", "target/debug/my-app"];
    let project = project.map(|file| Path::new("my-app").join(file));
    let volga = ["Cargo.toml", ".git/HEAD", "target/debug/volga", "crates/volga/Cargo.toml"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert!(root.join("crates/volga/Cargo.toml").exists());
    let volga = volga.map(|file| Path::new("volga").join(file));
    let files = project.into_iter().chain(volga).filter(|file| {
        let is_ignored = |part: Component<'_>| {
            ignored.iter().any(|rule| rule.strip_prefix("**/") == part.as_os_str().to_str())
        };
        !file.components().any(is_ignored)
    });
    files.flat_map(|file| file.ancestors().map(PathBuf::from).collect::<Vec<_>>()).collect()
}

#[test]
fn the_dockerfile_builds_the_project_of_quick_start() {
    let context = context();
    let is_heavy = |path: &&PathBuf| path.ends_with("target") || path.ends_with(".git");
    assert_eq!(context.iter().find(is_heavy), None);
    build(&context);
}

#[test]
fn the_program_runs_in_a_volume_that_its_user_may_write_to() {
    let image = build(&context());
    assert_eq!(image.volume.as_ref(), Some(&image.folder));
    assert!(image.paths.contains(&image.folder), "the folder has an owner");
}
