//! The tags by which MLflow knows who started a run, and from what: as its own client sets them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::aws::Environment;

/// The names that MLflow gives to its tags.
pub(super) const USER: &str = "mlflow.user";
pub(super) const RUN_NAME: &str = "mlflow.runName";
const SOURCE_NAME: &str = "mlflow.source.name";
const SOURCE_TYPE: &str = "mlflow.source.type";
const GIT_COMMIT: &str = "mlflow.source.git.commit";
const GIT_BRANCH: &str = "mlflow.source.git.branch";
const GIT_REPO: &str = "mlflow.source.git.repoURL";

/// The tags of a run that this process starts now. `source`: what the program calls itself.
pub(super) fn tags(
    source: Option<&str>,
    user: Option<&str>,
    environment: &Environment,
) -> Vec<(String, String)> {
    let started = || std::env::args_os().next()?.into_string().ok().filter(|program| !is_python(program));
    let program = source.map(str::to_owned).or_else(started).filter(|program| !program.is_empty());
    let mut tags = vec![(USER.to_owned(), user.map_or_else(|| login(environment), str::to_owned))];
    tags.push((SOURCE_NAME.to_owned(), program.clone().unwrap_or_else(|| "<console>".to_owned())));
    tags.push((SOURCE_TYPE.to_owned(), "LOCAL".to_owned()));
    if let Some(program) = program {
        tags.extend(git(Path::new(&program)));
    }
    tags
}

/// Whether it is the interpreter: that says nothing about the program, and may be in a repository of its own.
fn is_python(program: &str) -> bool {
    Path::new(program).file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"))
}

/// The user's name, found where Python's `getpass.getuser` finds it.
fn login(environment: &Environment) -> String {
    let named = ["LOGNAME", "USER", "LNAME", "USERNAME"].iter().find_map(|name| environment.var(name));
    named.or_else(of_system).unwrap_or_else(|| "unknown".to_owned())
}

/// The name of this process's user in the system's list.
fn of_system() -> Option<String> {
    let id = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    };
    users.lines().find_map(name)
}

/// Commit, branch and origin of the repository that the program is in, or works on. Reads its files; git itself is not needed.
fn git(program: &Path) -> Vec<(String, String)> {
    let Some(repository) = Repository::around(program) else { return Vec::new() };
    let Some(commit) = repository.commit() else { return Vec::new() };
    let mut tags = vec![(GIT_COMMIT.to_owned(), commit)];
    tags.extend(repository.branch().map(|branch| (GIT_BRANCH.to_owned(), branch)));
    tags.extend(repository.origin().map(|url| (GIT_REPO.to_owned(), url)));
    tags
}

struct Repository {
    /// Where `HEAD` is.
    own: PathBuf,
    /// Where the branches are: the same, unless this is one of several work trees.
    common: PathBuf,
}

impl Repository {
    fn around(program: &Path) -> Option<Self> {
        // A name that is no file is that of a program which works on the folder that it was started in.
        let start =
            fs::canonicalize(program).or_else(|_| std::env::current_dir().map(|at| at.join(program))).ok()?;
        let found = start.ancestors().skip(1).map(|folder| folder.join(".git")).find(|path| path.exists())?;
        let own = if found.is_dir() {
            found
        } else {
            let text = fs::read_to_string(&found).ok()?;
            found.parent()?.join(text.strip_prefix("gitdir:")?.trim())
        };
        let common = fs::read_to_string(own.join("commondir")).ok();
        let common = common.map_or_else(|| own.clone(), |path| own.join(path.trim()));
        Some(Self { own, common })
    }

    fn head(&self) -> Option<String> {
        Some(fs::read_to_string(self.own.join("HEAD")).ok()?.trim().to_owned())
    }

    fn branch(&self) -> Option<String> {
        self.head()?.strip_prefix("ref: refs/heads/").map(str::to_owned)
    }

    fn commit(&self) -> Option<String> {
        let head = self.head()?;
        let Some(name) = head.strip_prefix("ref: ") else { return Some(head) };
        // Somebody else may have written it: it is not to lead out of the repository.
        if !name.starts_with("refs/") || name.split('/').any(|part| part == "..") {
            return None;
        }
        let loose =
            [&self.own, &self.common].into_iter().find_map(|at| fs::read_to_string(at.join(name)).ok());
        loose.map(|hash| hash.trim().to_owned()).or_else(|| {
            let packed = fs::read_to_string(self.common.join("packed-refs")).ok()?;
            packed.lines().find_map(|line| Some(line.strip_suffix(name)?.trim_end().to_owned()))
        })
    }

    /// The address of `origin`, without a password in it.
    fn origin(&self) -> Option<String> {
        let config = fs::read_to_string(self.common.join("config")).ok()?;
        let section = config.split("[remote \"origin\"]").nth(1)?;
        let lines = section.lines().skip(1).map(str::trim).take_while(|line| !line.starts_with('['));
        let url =
            lines.filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == "url")?.1.trim();
        Some(super::address::Address::without_secrets(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_program_in_a_work_tree_says_its_commit_branch_and_origin() {
        let folder = tempfile::tempdir().unwrap();
        let (git, script) = (folder.path().join(".git"), folder.path().join("src/train.py"));
        write(script.clone(), "");
        write(git.join("HEAD"), "ref: refs/heads/main\n");
        write(git.join("packed-refs"), "# pack-refs\nabc123 refs/heads/main\n");
        write(
            git.join("config"),
            "[core]\n[remote \"origin\"]\n\turl = https://ann:pw@example.com/x.git\n[branch \"main\"]\n",
        );
        let source = script.to_str().unwrap();
        let found = tags(Some(source), Some("ann"), &Environment::from([]));
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            found,
            [
                (USER, "ann"),
                (SOURCE_NAME, source),
                (SOURCE_TYPE, "LOCAL"),
                (GIT_COMMIT, "abc123"),
                (GIT_BRANCH, "main"),
                (GIT_REPO, "https://example.com/x.git"),
            ]
        );
        write(git.join("HEAD"), "ref: /dev/zero\n");
        assert!(super::git(&script).is_empty(), "it leads out of the repository");
        let other = folder.path().join(".git/worktrees/w");
        write(other.join("HEAD"), "def456\n");
        write(other.join("commondir"), "../..\n");
        let tree = tempfile::tempdir().unwrap();
        write(tree.path().join(".git"), &format!("gitdir: {}\n", other.display()));
        write(tree.path().join("a.py"), "");
        assert_eq!(super::git(&tree.path().join("a.py"))[0].1, "def456");
    }

    #[test]
    fn the_user_is_found_as_python_finds_it() {
        assert_eq!(login(&Environment::from([("USER", "ann"), ("LOGNAME", "bob")])), "bob");
        assert!(!login(&Environment::from([])).is_empty());
    }
}
