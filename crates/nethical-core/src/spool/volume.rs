//! What is known of the disk under a path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statfs, statvfs};

/// The disk under a path, which need not exist yet: then what is said of its nearest folder that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The folder that was looked at.
    pub folder: PathBuf,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Whether other machines may see it: there locks and forced writes promise less.
    pub is_network: bool,
}

impl Volume {
    /// Look, without writing anything.
    ///
    /// # Errors
    /// If nothing can be written there: what lies on the way is no folder, the user may not, or the disk is read-only.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let there = path.ancestors().find(|folder| folder.exists());
        let folder = there.ok_or(io::ErrorKind::NotFound)?;
        if !folder.is_dir() {
            let message = format!("{} is no folder", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
        let room = statvfs(folder)?;
        Ok(Self {
            free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
            is_network: is_on_network(folder),
            folder: folder.to_owned(),
        })
    }
}

/// Whether other machines may see what is in this folder. `false` where that cannot be found out.
pub fn is_on_network(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|about| is_network(about.f_type as u32))
}

/// The magic numbers of `statfs(2)`.
const fn is_network(magic: u32) -> bool {
    matches!(
        magic,
        0x6969             // NFS
            | 0x517b       // SMB
            | 0xff53_4d42  // CIFS
            | 0xfe53_4d42  // SMB 2
            | 0x0bd0_0bd0  // Lustre
            | 0x00c3_6400  // Ceph
            | 0x5346_414f  // AFS
            | 0x6b41_4653  // AFS, the kernel's own
            | 0x7375_7245  // Coda
            | 0x6573_5546  // FUSE: sshfs and others
            | 0x0102_1997  // 9P: folders of a virtual machine's host
            | 0x4750_4653  // GPFS
            | 0x1983_0326  // BeeGFS
            | 0x0116_1970  // GFS 2
            | 0x7461_636f  // OCFS 2
            | 0x786f_4256  // VirtualBox
            | 0xaad7_aaea // PanFS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::of(&folder.path().join("not/yet")).unwrap();
        assert_eq!((volume.folder.as_path(), volume.is_network), (folder.path(), false));
        assert!(volume.free_bytes > 0);
    }

    #[test]
    fn below_a_file_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Volume::of(&file.join("home")).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is no folder", file.display()));
    }

    #[test]
    fn file_systems_that_others_see_are_known() {
        assert!(is_network(0x6969) && is_network(0xff53_4d42));
        assert!(!is_network(0xef53) && !is_network(0x0102_1994));
    }
}
