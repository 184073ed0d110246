//! The names of the keys in Redis. Pure.

/// The names of the keys of one hub. In braces, so that a cluster keeps them in one slot.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) log: String,
    pub(crate) run: String,
    pub(crate) epochs: String,
    pub(crate) keyed: String,
    /// The start of the names of tables.
    pub(crate) tables: String,
    /// The start of the names of retry keys.
    pub(crate) retries: String,
}

impl Keys {
    pub(crate) fn new(hub: &str) -> Self {
        let key = |name: &str| format!("{{{hub}}}:{name}");
        Self {
            log: key("log"),
            run: key("run"),
            epochs: key("epochs"),
            keyed: key("keyed"),
            tables: key("table:"),
            retries: key("retry:"),
        }
    }

    /// The key of the table of a topic.
    pub(crate) fn table(&self, topic: &str) -> String {
        format!("{}{topic}", self.tables)
    }
}
