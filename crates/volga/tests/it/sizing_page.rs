//! The figures of the guide's page about sizing are about those of the results that it names.

use std::{fs, path::Path};

/// A new measurement may differ by this factor before the page has to change.
const TOLERANCE: f64 = 1.4;

const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("B", 1.0),
    ("KB", 1024.0),
    ("MB", 1024.0 * 1024.0),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A figure such as `4.5 µs` in nanoseconds or bytes.
fn value(figure: &str) -> Option<f64> {
    let (number, unit) = figure.split_once(' ')?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * factor)
}

/// The median of Volga in a column of the table with this title.
fn median(results: &str, title: &str, column: &str) -> f64 {
    let mut tables = results.split("\n## ").skip(1);
    let table = tables.find(|table| table.starts_with(title));
    let table = table.unwrap_or_else(|| panic!("no table `{title}`"));
    // Columns have two blanks between them, and a median comes before its spread.
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(|cell| cell.split(" (").next().unwrap_or(cell).to_owned()).collect::<Vec<_>>()
    };
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).map(cells);
    let (Some(header), Some(medians)) = (line("server "), line("volga ")) else {
        panic!("no figures in `{title}`")
    };
    let index = header.iter().position(|name| name == column);
    let index = index.unwrap_or_else(|| panic!("no column `{column}` in {header:?}"));
    value(&medians[index]).unwrap_or_else(|| panic!("`{}` is not a figure", medians[index]))
}

/// The rows of the list of figures, each with its cells.
fn rows(page: &str) -> Vec<[&str; 5]> {
    let section =
        page.split("\n## The figures\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let lines = section.expect("the section").lines().filter(|line| line.ends_with(".txt` |"));
    let cells = |line| cells(line).try_into().unwrap_or_else(|_| panic!("{line}"));
    lines.map(cells).collect()
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn each_figure_is_about_that_of_the_table_that_the_page_names() {
    let page = read("docs/src/sizing.md");
    let mut count = 0;
    for row in rows(&page) {
        let [_, figure, title, column, file] = row;
        let file = read(&format!("bench/results/{}", file.trim_matches('`')));
        let measured = median(&file, title, column);
        let stated = value(figure).unwrap_or_else(|| panic!("`{figure}` is not a figure"));
        let factor = (measured / stated).max(stated / measured);
        assert!(factor <= TOLERANCE, "{row:?}\nis {measured} in the file");
        count += 1;
    }
    assert!(count > 10, "{count} figures");
}

/// The number at the start of a text such as `1.3 GB` or `4,100 alone`, with its unit.
fn number(text: &str) -> f64 {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: f64 = digits.replace(',', "").parse().unwrap_or_else(|_| panic!("`{text}`"));
    number * UNITS.iter().find(|(name, _)| *name == unit).map_or(1.0, |(_, factor)| *factor)
}

/// The table of the page that has this heading.
fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = page.split_once(heading).unwrap_or_else(|| panic!("no table `{heading}`"));
    let lines = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = lines.map(cells).collect();
    assert!(rows.len() > 2, "{rows:?}");
    rows
}

/// A stated figure may differ by rounding from the one that is computed from the list.
#[track_caller]
fn about(stated: f64, computed: f64) {
    let factor = (stated / computed).max(computed / stated);
    // One digit, as in `0.4 µs`, may be rounded by a tenth.
    assert!(factor < 1.13, "{stated} is stated, and {computed} follows from the figures");
}

#[test]
fn each_number_of_the_page_follows_from_its_figures() {
    let page = read("docs/src/sizing.md");
    let figures: Vec<f64> = rows(&page).iter().map(|row| number(row[1])).collect();
    let [idle, socket, idle_tls, message, message_h2, message_tls] = figures[..6] else { panic!() };
    let [client, handshake, returning, node_batch, node_alone] = figures[6..11] else { panic!() };
    let [one_batch, one_alone, eight_batch, eight_alone, topic, entry] = figures[11..] else {
        panic!("{} figures", figures.len())
    };
    const KB: f64 = 1024.0;
    // Sizes of a whole node are rounded, so 1 MB is 1,000 KB there.
    const MB: f64 = 1_000.0 * KB;
    const SECOND: f64 = 1e9;
    let kilobytes = |bytes: f64| bytes / KB;
    let microseconds = |nanoseconds: f64| nanoseconds / 1e3;
    let percent = |part: f64| part * 100.0;
    let (stream, stream_tls) = (idle + socket + 2.0 * KB, idle_tls + socket + 2.0 * KB);

    for row in table(&page, "| Streams | Memory without TLS | With TLS |") {
        let streams = number(row[0]);
        let bytes = |text: &str| match text.split_once(' ') {
            Some((size, "GB")) => number(size) * 1_000.0 * MB,
            Some((size, _)) => number(size) * MB,
            None => panic!("{text}"),
        };
        about(bytes(row[1]), streams * stream);
        about(bytes(row[2]), streams * stream_tls);
    }
    let further_batch = (eight_batch - one_batch) / 7.0;
    let further_alone = (eight_alone - one_alone) / 7.0;
    let batch = |nodes: f64| one_batch + (nodes - 1.0) * further_batch;
    let alone = |nodes: f64| one_alone + (nodes - 1.0) * further_alone;
    let half_a_core = |cost: f64| 0.5 * SECOND / cost;
    for row in table(&page, "| Nodes | CPU of Redis for each message, alone | In batches |") {
        let nodes = number(row[0]);
        about(number(row[1]), alone(nodes));
        about(number(row[2]), batch(nodes));
        let (of_alone, of_batch) = row[3].split_once(" alone, ").expect("both");
        about(number(of_alone), half_a_core(alone(nodes)));
        about(number(of_batch.trim_end_matches(" in batches")), half_a_core(batch(nodes)));
    }

    // The words of lines that are wrapped have one blank between them.
    let words = |page: &str| page.split_whitespace().collect::<Vec<_>>().join(" ");
    let (page, nodes_page) = (words(&page), words(&read("docs/src/several-nodes.md")));
    let heartbeats = 200_000.0 / volga::http::sse::DEFAULT_HEARTBEAT.as_secs_f64();
    let returned = 200_000.0 / 49.0;
    let returned_each_second = 1e7 / 50.0 / 60.0;
    // The output of Redis for each message and node: a test of volga-relay-redis measures it.
    let output = 300.0;
    // A `#` is the number.
    for (text, stated, computed) in [
        ("takes # KB in the process", 1.2, kilobytes(idle)),
        ("and # KB in the kernel", 3.3, kilobytes(socket)),
        ("That makes # KB for a stream", 6.5, kilobytes(stream)),
        ("and # KB if the node does TLS itself", 10.0, kilobytes(stream_tls)),
        ("A message costs # µs for each stream", 4.5, microseconds(message)),
        ("and # µs over TLS", 13.0, microseconds(message_tls)),
        ("with many streams it is # µs", 0.4, microseconds(message_h2)),
        ("every 15 seconds are # writes", 13_300.0, heartbeats),
        ("or # % of a core", 6.0, percent(heartbeats * message / SECOND)),
        ("A client that comes costs # µs", 30.0, microseconds(client)),
        ("and # µs more for a full TLS handshake", 400.0, microseconds(handshake)),
        ("every 10 seconds take # % of a core", 9.0, percent(20_000.0 * message / SECOND)),
        ("A message to all of them takes # seconds", 0.9, 200_000.0 * message / SECOND),
        ("each further node costs Redis # µs", 35.0, microseconds(further_alone)),
        ("and # µs in batches of 64", 1.1, microseconds(further_batch)),
        ("About # bytes leave Redis", 300.0, output),
        ("that is # MB a second", 24.0, 8.0 * 10_000.0 * output / 1e6),
        ("with 50 nodes # MB.", 150.0, 50.0 * 10_000.0 * output / 1e6),
        ("An entry takes # bytes", 258.0, entry),
        ("100,000 entries takes # MB", 26.0, 1e5 * entry / 1e6),
        ("1,000 messages a second takes # GB", 0.9, 3_600.0 * 1e3 * entry / 1e9),
        ("about # KB for each topic", 1.0, kilobytes(topic)),
        ("A million topics take # GB", 1.0, 1e6 * topic / 1e9),
        ("personal topics take # GB", 10.0, 1e7 * topic / 1e9),
        ("half a core of Redis is used up at # messages", 270.0, half_a_core(alone(50.0))),
        ("comes alone, and at # in batches", 8_800.0, half_a_core(batch(50.0))),
        ("its network has to carry # KB", 15.0, 50.0 * output / 1e3),
        ("the others take # clients each", 4_100.0, returned),
        ("clients each: # seconds of CPU", 0.17, returned * returning / SECOND),
        ("and # seconds more with TLS", 1.7, returned * handshake / SECOND),
        ("each node takes # clients a second", 3_300.0, returned_each_second),
        ("clients a second: # % of a core", 14.0, percent(returned_each_second * returning / 1e9)),
        ("and # cores with TLS", 1.5, returned_each_second * (returning + handshake) / 1e9),
        ("streams on each node that is # million", 3.2, 16.0 * 0.2),
        ("There, Redis uses # % of its core", 4.0, percent(2_000.0 * batch(16.0) / SECOND)),
        ("between # % and 18 %", 0.9, percent(2_000.0 * node_batch / SECOND)),
        ("between 0.9 % and # %", 18.0, percent(2_000.0 * node_alone / SECOND)),
        ("and # MB on topics", 100.0, 1e5 * topic / 1e6),
    ] {
        let digits = stated.to_string();
        let grouped = match digits.len() {
            4.. if stated >= 1_000.0 => {
                let (thousands, rest) = digits.split_at(digits.len() - 3);
                format!("{thousands},{rest}")
            }
            _ => digits,
        };
        let text = text.replace('#', &grouped);
        assert!(page.contains(&text), "the page does not say `{text}`");
        about(stated, computed);
    }
    // If every message came alone, Redis would need more than its core.
    assert!(2_000.0 * alone(16.0) > SECOND);
    assert!(nodes_page.contains("about 26 MB with messages of 200 bytes"));
    about(26.0, 1e5 * entry / 1e6);
}
