//! Reads the cost of a process from `/proc`.

use std::{fs, io};

use crate::failure::Failure;

/// The CPU time of all threads of a process, in nanoseconds.
///
/// It comes from the scheduler, which counts nanoseconds; `/proc/PID/stat` counts ticks of 10 ms.
/// The count of a thread that is running may lack up to one tick, so the rows read it while the
/// server rests.
pub(crate) fn cpu(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // The thread has ended since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        sum += first_number(&text)
            .ok_or_else(|| Failure::new(format!("{}: `{text}`", path.display())))?;
    }
    Ok(sum)
}

/// The memory that only this process uses, in bytes. It does not include the kernel's memory for
/// the process, such as that of its sockets.
pub(crate) fn private_memory(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/smaps_rollup");
    sum_of_private(&fs::read_to_string(&path)?)
        .ok_or_else(|| Failure::new(format!("{path}: no Private_ lines")))
}

/// The memory of all TCP sockets of the machine, both ends of each connection, in bytes.
pub(crate) fn socket_memory() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let pages =
        pages_of_tcp(&text).ok_or_else(|| Failure::new("/proc/net/sockstat: no TCP line"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn sum_of_private(rollup: &str) -> Option<u64> {
    rollup
        .lines()
        .filter_map(|line| line.strip_prefix("Private_")?.split_once(':'))
        // Huge pages are not counted: they are never private to one process in this sense, and no
        // server here uses them.
        .filter(|(name, _)| matches!(*name, "Clean" | "Dirty"))
        .map(|(_, value)| first_number(value).map(|kilobytes| kilobytes * 1024))
        .reduce(|sum, value| Some(sum? + value?))?
}

fn pages_of_tcp(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_clean_and_dirty() {
        let rollup = "Rss:  1768 kB\nShared_Clean:  1588 kB\nPrivate_Clean:  68 kB\nPrivate_Dirty:  112 kB\nPrivate_Hugetlb:  5 kB\n";
        assert_eq!(sum_of_private(rollup), Some(180 * 1024));
        assert_eq!(sum_of_private("Rss: 1 kB\n"), None);
    }

    #[test]
    fn socket_memory_is_in_pages() {
        let sockstat =
            "sockets: used 18\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 100\nUDP: inuse 0 mem 0\n";
        assert_eq!(pages_of_tcp(sockstat), Some(100));
        assert_eq!(pages_of_tcp("UDP: inuse 0 mem 0\n"), None);
    }

    #[test]
    fn this_process_has_time_and_memory() {
        let pid = std::process::id();
        assert!(cpu(pid).is_ok());
        assert!(private_memory(pid).is_ok_and(|bytes| bytes > 0));
        assert!(socket_memory().is_ok());
    }
}
