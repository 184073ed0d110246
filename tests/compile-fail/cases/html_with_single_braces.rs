use volga::html;

fn main() {
    let _ = html!("<style>p { margin: 0 }</style>");
}
