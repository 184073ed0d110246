//! `sse-tail -`: standard input, however it is cut.

use std::io::Write;

use crate::program::{Ended, Program};

const WIRE: &[u8] =
    b"\xef\xbb\xbfretry: 2500\r\n: hi\r\nevent: a\r\nid: 1\r\ndata: x\r\ndata:  y\r\n\r\n\
    data\r\rid: 2\n\nevent: none\n\ndata: \xff\xc3\xa9\n\nid\ndata: cut";
const LINES: [&str; 4] = [
    r#"{"event":"a","data":"x\n y","id":"1"}"#,
    r#"{"event":"message","data":"","id":"1"}"#,
    "{\"event\":\"message\",\"data\":\"\u{fffd}é\",\"id\":\"2\"}",
    r#"{"final":true,"last_event_id":"2","retry":2500}"#,
];

fn pipe(args: &[&str], chunk: &str, wire: &[u8]) -> Ended {
    let mut program = Program::start_with(args, &[("CHUNK", chunk)]);
    // One that needs no more of it closes its end.
    let _ = program.stdin().write_all(wire);
    program.end()
}

#[test]
fn the_output_does_not_depend_on_how_the_input_is_cut() {
    for chunk in ["", "0", "1", "2", "3", "7", "64", "100000"] {
        let ended = pipe(&["-"], chunk, WIRE);
        assert_eq!(
            (ended.code, ended.lines),
            (Some(0), LINES.map(str::to_owned).to_vec()),
            "{chunk}"
        );
        assert_eq!(ended.remarks, "");
    }
}

#[test]
fn an_event_is_printed_before_more_input_arrives() {
    for chunk in ["0", "1", "3", "100000"] {
        let mut program = Program::start_with(&["-"], &[("CHUNK", chunk)]);
        let mut stdin = program.stdin();
        // A CR ends the blank line, whether or not an LF follows.
        stdin.write_all(b"data: one\r\n\r").expect("written");
        assert_eq!(program.line(), r#"{"event":"message","data":"one","id":""}"#, "{chunk}");
        stdin.write_all(b"\nid: 2\ndata: two\n").expect("written");
        assert!(program.is_silent());
        stdin.write_all(b"\n").expect("written");
        assert_eq!(program.line(), r#"{"event":"message","data":"two","id":"2"}"#, "{chunk}");
        drop(stdin);
        assert_eq!(program.line(), r#"{"final":true,"last_event_id":"2","retry":null}"#, "{chunk}");
        assert_eq!(program.end().code, Some(0));
    }
}

#[test]
fn no_input_is_an_end_too() {
    let ended = pipe(&["-"], "0", b"");
    assert_eq!(ended.lines, [r#"{"final":true,"last_event_id":"","retry":null}"#]);
}

#[test]
fn as_many_events_are_printed_as_asked_for() {
    for chunk in ["0", "1"] {
        let ended =
            pipe(&["-", "--max", "2"], chunk, b"id: 1\ndata\n\nid: 2\ndata\n\nid: 3\ndata\n\n");
        assert_eq!(ended.lines.len(), 3);
        assert_eq!(ended.lines[2], r#"{"final":true,"last_event_id":"2","retry":null}"#);
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn a_long_line_in_small_pieces_takes_no_long_time() {
    let line = [b"data: ", &*vec![b'x'; 10 << 20], b"\n\n"].concat();
    let ended = pipe(&["-"], "16", &line);
    assert_eq!(ended.lines[0].len(), (10 << 20) + r#"{"event":"message","data":"","id":""}"#.len());
}

#[test]
fn what_exceeds_a_limit_is_an_error_after_the_events_before_it() {
    let line = [b"data: one\n\ndata: ", &*vec![b'x'; 17 << 20]].concat();
    let ended = pipe(&["-"], "0", &line);
    assert_eq!(ended.lines, [r#"{"event":"message","data":"one","id":""}"#]);
    assert_eq!(ended.code, Some(4));
    assert!(ended.remarks.contains("a line exceeds 16777216 bytes"), "{}", ended.remarks);
}

#[test]
fn the_command_line_is_explained() {
    let help = Program::start(&["--help"]).end();
    assert_eq!(help.code, Some(0));
    assert!(help.lines.iter().any(|line| line.contains("Exit codes")));
    for (args, named) in
        [(&[][..], "URL"), (&["https://localhost/"], "https://"), (&["--x", "-"], "--x")]
    {
        let ended = Program::start(args).end();
        assert_eq!((ended.code, ended.lines.len()), (Some(2), 0));
        assert!(ended.remarks.contains(named), "{}", ended.remarks);
    }
    assert_eq!(pipe(&["-"], "many", b"").code, Some(2));
}
