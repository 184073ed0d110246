//! Reads the cost of a process from `/proc`.

use std::{fs, io, process::Command};

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

/// The bytes that the kernel holds in the buffers of the server's sockets, from `ss`. Not a number
/// on a machine without `ss`.
///
/// The count has the packets with their headers, so it is larger than the bytes that wait. It does
/// not have the sockets themselves; see [`socket_objects`].
pub(crate) fn socket_buffers(port: u16) -> Result<f64, Failure> {
    let mut ss = Command::new("ss");
    ss.args(["-tmnH", "state", "connected", &format!("sport = :{port}")]);
    match ss.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(f64::NAN),
        Err(error) => Err(error.into()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let sum = text.split("skmem:(").skip(1).map(bytes_of_skmem).sum::<Option<u64>>();
            sum.map(|sum| sum as f64).ok_or_else(|| Failure::new("ss -m: no numbers"))
        }
    }
}

/// How many TCP segments with data the server has sent on its open connections, from `ss`, except
/// on the connection to the port `publisher`. Not a number on a machine without `ss`.
///
/// Without Nagle's algorithm each `send` makes a segment of its own, unless the connection's window
/// is full.
pub(crate) fn segments_sent(port: u16, publisher: u16) -> Result<f64, Failure> {
    let mut ss = Command::new("ss");
    let filter = format!("sport = :{port} and dport != :{publisher}");
    ss.args(["-tinH", "state", "connected", &filter]);
    match ss.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(f64::NAN),
        Err(error) => Err(error.into()),
        Ok(output) => Ok(segments_of_sockets(&String::from_utf8_lossy(&output.stdout)) as f64),
    }
}

/// The bytes of all TCP sockets of the machine, as objects without buffers, from `/proc/slabinfo`.
/// Not a number for a user who may not read that file, which only root may.
///
/// The count has the socket and its inode. It does not have the descriptor's file and directory
/// entry, or what epoll keeps, because the kernel does not count those of sockets apart.
pub(crate) fn socket_objects() -> f64 {
    fs::read_to_string("/proc/slabinfo").map_or(f64::NAN, |text| bytes_of_sockets(&text) as f64)
}

/// The memory of one socket: what was received, what waits to be sent, what is reserved for either,
/// and the backlog.
fn bytes_of_skmem(skmem: &str) -> Option<u64> {
    let (fields, _) = skmem.split_once(')')?;
    let number = |name: &str| {
        let mut numbers = fields.split(',').filter_map(|field| field.strip_prefix(name));
        numbers.find_map(|number| number.parse::<u64>().ok())
    };
    // A name such as `r` is also the beginning of `rb`, which is followed by letters.
    Some(number("r")? + number("w")? + number("f")? + number("bl")?)
}

/// Objects that are on their own pages take the pages' share, not only their size.
fn segments_of_sockets(info: &str) -> u64 {
    // A socket that has sent nothing has no such field.
    let counts = info.split("data_segs_out:").skip(1);
    counts.filter_map(first_number).sum()
}

fn bytes_of_sockets(slabinfo: &str) -> u64 {
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        if !["TCP", "TCPv6", "sock_inode_cache"].contains(&name) {
            return None;
        }
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let [active, _, _, per_slab, pages_per_slab] = *numbers.first_chunk::<5>()?;
        Some(active * pages_per_slab * rustix::param::page_size() as u64 / per_slab)
    };
    slabinfo.lines().filter_map(of_line).sum()
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
    fn the_buffers_of_a_socket_are_what_it_holds_and_not_what_it_may_hold() {
        let skmem = "r10,rb131072,t0,tb2626560,f200,w3000,o0,bl40000,d0)\n";
        assert_eq!(bytes_of_skmem(skmem), Some(43_210));
        assert_eq!(bytes_of_skmem("r10,rb1"), None);
    }

    #[test]
    fn the_segments_of_all_sockets_are_added() {
        let info = "0 0 127.0.0.1:80 127.0.0.1:40000\n\
            \t cubic segs_out:18 segs_in:6 data_segs_out:12 data_segs_in:3 send 1bps\n\
            0 0 127.0.0.1:80 127.0.0.1:40001\n\t cubic segs_out:2\n\
            0 0 127.0.0.1:80 127.0.0.1:40002\n\t cubic data_segs_out:30\n";
        assert_eq!(segments_of_sockets(info), 42);
    }

    #[test]
    fn sockets_take_their_share_of_pages() {
        let page = rustix::param::page_size() as u64;
        let slabinfo = "slabinfo - version: 2.1\n\
            # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n\
            tw_sock_TCP 144 144 256 16 1 : tunables 0 0 0\n\
            TCP 26 143 2368 13 8 : tunables 0 0 0\n\
            sock_inode_cache 38 285 832 19 4 : tunables 0 0 0\n";
        assert_eq!(bytes_of_sockets(slabinfo), 2 * 8 * page + 2 * 4 * page);
    }

    #[test]
    fn this_process_has_time_and_memory() {
        let pid = std::process::id();
        assert!(cpu(pid).is_ok());
        assert!(private_memory(pid).is_ok_and(|bytes| bytes > 0));
        assert!(socket_buffers(1).is_ok_and(|bytes| bytes.is_nan() || bytes == 0.0));
    }
}
