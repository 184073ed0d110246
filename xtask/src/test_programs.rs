//! The test programs of the workspace, with all features, as the step `test` builds them.
//!
//! Some steps run tests of one package once more in another way. For that, `cargo test --package`
//! would build most crates again, because fewer packages enable fewer features of what they share.

use std::{path::PathBuf, process::Command};

use cargo_metadata::Message;

use crate::{
    tools::{self, Failure, Style, paint},
    workspace::Workspace,
};

/// All test programs, built.
pub(crate) struct TestPrograms(Vec<TestProgram>);

/// One of them: the unit tests of a package, or a file in its folder `tests`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct TestProgram {
    /// The folder of the package.
    folder: PathBuf,
    /// The name of the library, of the program or of the file.
    target: String,
    executable: PathBuf,
}

impl TestPrograms {
    /// Builds the programs that are not built yet.
    ///
    /// # Errors
    /// Fails when one of them does not compile.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, Failure> {
        let mut build = workspace.cargo(&["test", "--workspace", "--all-features", "--no-run"]);
        build.args(["--quiet", "--message-format", "json-render-diagnostics"]);
        println!("{}", paint(Style::Dim, &format!("$ {}", tools::shown(&build))));
        let messages = tools::read(&mut build)?;
        Ok(Self::from_messages(&messages))
    }

    fn from_messages(messages: &str) -> Self {
        let programs = Message::parse_stream(messages.as_bytes()).filter_map(|message| {
            let Ok(Message::CompilerArtifact(artifact)) = message else { return None };
            let executable = artifact.executable.filter(|_| artifact.profile.test)?;
            Some(TestProgram {
                folder: artifact.manifest_path.parent()?.into(),
                target: artifact.target.name,
                executable: executable.into(),
            })
        });
        Self(programs.collect())
    }

    /// A command for each test program of the package that has one of the names; for all of its
    /// programs without names. Arguments for the tests may be added at its end.
    ///
    /// # Errors
    /// Fails when the package has no such program.
    pub(crate) fn commands(
        &self,
        workspace: &Workspace,
        package: &str,
        names: &[&str],
    ) -> Result<Vec<Command>, Failure> {
        let folder = workspace.root.join("crates").join(package);
        let is_meant = |program: &&TestProgram| {
            program.folder == folder
                && (names.is_empty() || names.contains(&program.target.as_str()))
        };
        let commands: Vec<_> = self.0.iter().filter(is_meant).map(TestProgram::command).collect();
        if commands.is_empty() {
            return Err(Failure::new(format!("{package} has no test program named {names:?}")));
        }
        Ok(commands)
    }
}

impl TestProgram {
    /// Runs the program as cargo does: in the folder of its package.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of cargo about a target of `crates/volga-http`.
    fn message(kind: &str, name: &str, is_test: bool, executable: Option<&str>) -> String {
        let executable = executable.map_or("null".to_owned(), |path| format!("\"{path}\""));
        format!(
            "{{\"reason\":\"compiler-artifact\",\
             \"package_id\":\"path+file:///work/crates/volga-http#0.1.0\",\
             \"manifest_path\":\"/work/crates/volga-http/Cargo.toml\",\
             \"target\":{{\"kind\":[\"{kind}\"],\"crate_types\":[\"{kind}\"],\"name\":\"{name}\",\
             \"src_path\":\"/work/x.rs\",\"edition\":\"2024\",\"doc\":false,\"doctest\":false,\
             \"test\":true}},\"profile\":{{\"opt_level\":\"0\",\"debuginfo\":1,\
             \"debug_assertions\":true,\"overflow_checks\":true,\"test\":{is_test}}},\
             \"features\":[],\"filenames\":[],\"executable\":{executable},\"fresh\":true}}\n"
        )
    }

    #[test]
    fn the_programs_are_those_that_cargo_has_built_for_tests() {
        let messages = [
            message("lib", "volga_http", false, None),
            message("lib", "volga_http", true, Some("/t/volga_http-1")),
            message("bin", "demo", false, Some("/t/demo")),
            message("test", "it", true, Some("/t/it-2")),
        ];
        let program = |target: &str, executable: &str| TestProgram {
            folder: "/work/crates/volga-http".into(),
            target: target.to_owned(),
            executable: executable.into(),
        };
        assert_eq!(
            TestPrograms::from_messages(&messages.concat()).0,
            [program("volga_http", "/t/volga_http-1"), program("it", "/t/it-2")]
        );
    }

    #[test]
    fn a_package_without_such_a_program_is_an_error() {
        let workspace = Workspace::read().unwrap();
        let folder = workspace.root.join("crates/volga-http");
        let program = TestProgram { folder, target: "it".to_owned(), executable: "/t/it".into() };
        let programs = TestPrograms(vec![program]);
        let count = |package, names: &[&str]| {
            programs.commands(&workspace, package, names).map_or(0, |commands| commands.len())
        };
        assert_eq!(count("volga-http", &[]), 1);
        assert_eq!(count("volga-http", &["it"]), 1);
        assert_eq!(count("volga-http", &["memory"]), 0);
        assert_eq!(count("volga", &["it"]), 0);
    }
}
