//! Sessions in files: they survive a restart, end, and no other user can read them.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use tempfile::TempDir;
use volga_web::{FileSessions, SessionId, SessionRecord, SessionStore};

fn folder() -> (TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("data/sessions");
    (temporary, folder)
}

fn record(user: &str, lives: Duration) -> SessionRecord {
    let now = SystemTime::now();
    let data = r#"{"colour":"blue"}"#.to_owned();
    SessionRecord { user: Some(user.to_owned()), data, created_at: now, expires_at: now + lives }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn sessions_survive_a_restart_with_every_change() {
    let (_temporary, folder) = folder();
    let store = FileSessions::open(&folder).unwrap();
    let ids = [(); 4].map(|()| SessionId::random().unwrap());
    let first = record("anna", HOUR);
    for id in &ids {
        store.insert(id, first.clone()).await.unwrap();
    }
    let changed = SessionRecord { user: Some("ben".to_owned()), ..first.clone() };
    let later = first.expires_at + HOUR;
    store.update(&ids[1], changed.clone()).await.unwrap();
    store.touch(&ids[2], later).await.unwrap();
    store.delete(&ids[3]).await.unwrap();

    let store = FileSessions::open(&folder).unwrap();
    let touched = SessionRecord { expires_at: later, ..first.clone() };
    for (id, expect) in ids.iter().zip([Some(first), Some(changed), Some(touched), None]) {
        assert_eq!(store.load(id).await.unwrap(), expect);
    }
    store.delete_of_user("anna").await.unwrap();
    let mut left = Vec::new();
    for id in &ids {
        left.push(store.load(id).await.unwrap().is_some());
    }
    assert_eq!(left, [false, true, false, false]);
}

#[tokio::test]
async fn a_session_that_was_deleted_is_not_written_back() {
    let (_temporary, folder) = folder();
    let store = FileSessions::open(&folder).unwrap();
    let id = SessionId::random().unwrap();
    store.update(&id, record("anna", HOUR)).await.unwrap();
    store.touch(&id, SystemTime::now() + HOUR).await.unwrap();
    store.delete(&id).await.unwrap();
    assert_eq!(store.load(&id).await.unwrap(), None);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_damaged_file_is_no_session_and_goes_with_those_that_have_ended() {
    let (_temporary, folder) = folder();
    let store = FileSessions::open(&folder).unwrap();
    let [damaged, ended, good] = [(); 3].map(|()| SessionId::random().unwrap());
    // The store has cleaned up at the first session, so these stay until it is opened again.
    store.insert(&good, record("anna", HOUR)).await.unwrap();
    store.insert(&ended, record("anna", Duration::ZERO)).await.unwrap();
    fs::write(folder.join(damaged.as_str()), "[").unwrap();
    assert_eq!(store.load(&damaged).await.unwrap(), None);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);

    let store = FileSessions::open(&folder).unwrap();
    store.insert(&SessionId::random().unwrap(), record("ben", HOUR)).await.unwrap();
    assert!(store.load(&good).await.unwrap().is_some());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

#[tokio::test]
async fn at_the_maximum_a_new_session_is_refused_also_after_a_restart() {
    let (_temporary, folder) = folder();
    let store = FileSessions::open(&folder).unwrap().with_max(2);
    let ids = [(); 3].map(|()| SessionId::random().unwrap());
    for id in &ids[..2] {
        store.insert(id, record("anna", HOUR)).await.unwrap();
    }
    let again = FileSessions::open(&folder).unwrap().with_max(2);
    for store in [&store, &again] {
        let error = store.insert(&ids[2], record("anna", HOUR)).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    store.delete(&ids[0]).await.unwrap();
    store.insert(&ids[2], record("anna", HOUR)).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn no_other_user_can_read_the_folder_or_its_files() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (_temporary, folder) = folder();
    let store = FileSessions::open(&folder).unwrap();
    let id = SessionId::random().unwrap();
    store.insert(&id, record("anna", HOUR)).await.unwrap();
    assert_eq!((mode(&folder), mode(&folder.join(id.as_str()))), (0o700, 0o600));
    drop(store);

    // A mount or a backup may have opened the folder.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o775)).unwrap();
    drop(FileSessions::open(&folder).unwrap());
    assert_eq!(mode(&folder), 0o700);

    // If other programs use the folder too, its mode stays the same.
    fs::write(folder.join("notes.txt"), "").unwrap();
    drop(FileSessions::open(&folder).unwrap());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let error = FileSessions::open(&folder).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert_eq!(mode(&folder), 0o755);
}
