//! Names with brackets, such as `address[city]`, as parts of one value (pure).
//!
//! | Names | Value |
//! |---|---|
//! | `tag[]=a&tag[]=b` | a list, like `tag=a&tag=b` |
//! | `tag[0]=a&tag[1]=b` | a list in the order of the numbers |
//! | `address[city]=a&address[street]=b` | a struct or a map |
//! | `items[0][name]=a&items[1][name]=b` | a list of structs or maps |
//!
//! If a map takes one value for a name that has parts, names are not split, so a map of texts gets
//! the names as the client wrote them. `conversions` reads the value again for that.

use std::{borrow::Cow, collections::HashMap};

use crate::extract::fields::Values;

/// How many brackets a name may have: 8.
pub(in crate::extract) const MAX_BRACKETS: usize = 8;

type Field<'a> = (Cow<'a, str>, Values<'a>);

/// A value, and the names that lead to it from the outermost: `["address", "city"]`.
struct PartValue<'a> {
    path: Vec<Cow<'a, str>>,
    values: Values<'a>,
}

/// Groups fields whose names have brackets. Names among `whole_names` are not split.
pub(super) fn group<'a>(fields: Vec<Field<'a>>, whole_names: &[&str]) -> Vec<Field<'a>> {
    let entry = |(name, values): Field<'a>| match split(&name) {
        Some(path) if !whole_names.contains(&&*name) => match path.len() > MAX_BRACKETS + 1 {
            true => {
                let reason = format!("it has more than {MAX_BRACKETS} levels of brackets");
                PartValue {
                    path: vec![path.into_iter().next().unwrap_or_default()],
                    values: Values::Refused(reason),
                }
            }
            false => PartValue { path, values },
        },
        _ => PartValue { path: vec![name], values },
    };
    group_level(fields.into_iter().map(entry).collect(), 0)
}

/// The number of brackets at which a name is split.
pub(in crate::extract) fn brackets(name: &str) -> usize {
    split(name).map_or(0, |path| path.len() - 1)
}

/// Splits a name at its brackets. Returns `None` for a name without brackets, or with brackets in
/// any other place.
fn split<'a>(name: &str) -> Option<Vec<Cow<'a, str>>> {
    let (base, rest) = name.split_once('[')?;
    let rest = rest.strip_suffix(']')?;
    if base.is_empty() || base.contains(']') {
        return None;
    }
    let mut path = vec![Cow::Owned(base.to_owned())];
    for part in rest.split("][") {
        if part.contains(['[', ']']) {
            return None;
        }
        path.push(Cow::Owned(part.to_owned()));
    }
    Some(path)
}

/// Groups entries by the name at this level of their paths.
fn group_level(entries: Vec<PartValue<'_>>, level: usize) -> Vec<Field<'_>> {
    let mut groups: Vec<(Cow<'_, str>, Vec<PartValue<'_>>)> = Vec::new();
    let mut index = HashMap::new();
    for entry in entries {
        let name = entry.path.get(level).cloned().unwrap_or_default();
        let at = *index.entry(name.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((name, vec![entry])),
        }
    }
    groups.into_iter().map(|(name, entries)| (name, merge(entries, level + 1))).collect()
}

/// Merges the entries of one name. Their paths continue at this level.
fn merge(entries: Vec<PartValue<'_>>, level: usize) -> Values<'_> {
    let is_value = |entry: &PartValue<'_>| match entry.path.get(level) {
        None => true,
        Some(name) => name.is_empty() && entry.path.len() == level + 1,
    };
    let values = entries.iter().filter(|entry| is_value(entry)).count();
    if values == entries.len() {
        let all = entries.into_iter().map(|entry| entry.values);
        return all.reduce(Values::and).unwrap_or_default();
    }
    if values > 0 {
        return Values::Refused("it has a value, and parts with names in brackets".to_owned());
    }
    if entries.iter().any(|entry| entry.path.get(level).is_some_and(|name| name.is_empty())) {
        let reason = "`[]` must be the last bracket: write numbers, such as `[0]`, before others";
        return Values::Refused(reason.to_owned());
    }
    Values::Parts(group_level(entries, level))
}
