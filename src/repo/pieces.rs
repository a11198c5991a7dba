//! A repository's index in pieces: what has to be done for each of sixty
//! thousand packages is done on every processor, and comes out in the order
//! in which one alone would have done it.

use std::cmp::Ordering;
use std::thread;

use memchr::memmem;

/// Below this many bytes, or packages, a thread costs more than it saves.
const TEXT: usize = 1 << 20;
const LIST: usize = 4096;

/// Pieces at most: locking waits for memory rather than for processors beyond.
const PIECES: usize = 8;

fn count(length: usize, smallest: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, |count| count.get());
    (length / smallest).clamp(1, processors.min(PIECES))
}

/// A text of stanzas, cut between stanzas.
pub(super) fn of_text(text: &str) -> impl Iterator<Item = &str> {
    // Stanzas are read without the newlines around them, so any of these may be cut at.
    of(text, "\n\n")
}

/// A text of elements, cut before some that begin with `tag`.
pub(super) fn of_elements<'a>(text: &'a str, tag: &'a str) -> impl Iterator<Item = &'a str> {
    of(text, tag)
}

fn of<'a>(text: &'a str, seam: &'a str) -> impl Iterator<Item = &'a str> {
    let mut left = count(text.len(), TEXT);
    let mut rest = text;
    std::iter::from_fn(move || {
        let about = rest.len().checked_div(left)?;
        left -= 1;
        let end = match left {
            0 => rest.len(),
            _ => next_seam(rest, about, seam),
        };
        let piece = &rest[..end];
        rest = &rest[end..];
        Some(piece)
    })
}

fn next_seam(text: &str, from: usize, seam: &str) -> usize {
    let found = memmem::find(&text.as_bytes()[from..], seam.as_bytes());
    found.map_or(text.len(), |seam| from + seam)
}

/// A list in pieces.
pub(super) fn of_list<T>(list: &[T]) -> impl Iterator<Item = &[T]> {
    list.chunks(piece_length(list))
}

fn piece_length<T>(list: &[T]) -> usize {
    list.len().div_ceil(count(list.len(), LIST)).max(1)
}

/// Does `work` on all pieces at the same time; what it finds is joined in
/// the order of the pieces, and so is the first error the first of them all.
pub(super) fn each<P: Sync, T: Send, E: Send>(
    pieces: &[P],
    work: impl Fn(&P) -> Result<Vec<T>, E> + Sync,
) -> Result<Vec<T>, E> {
    let (last, others) = match pieces.split_last() {
        Some(parts) => parts,
        None => return Ok(Vec::new()),
    };
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = others
            .iter()
            .map(|piece| scope.spawn(move || work(piece)))
            .collect();
        let last = work(last);
        let mut all = Vec::new();
        for other in others {
            let found = other.join().expect("the work does not panic")?;
            // What comes first is not moved.
            match all.is_empty() {
                true => all = found,
                false => all.extend(found),
            }
        }
        all.extend(last?);
        Ok(all)
    })
}

/// Sorts by name, then by `order`. Most names differ in their beginnings,
/// which are compared as one number, without a look into the text.
pub(super) fn sorted<T: Sync>(
    mut items: Vec<T>,
    name: impl Fn(&T) -> &str + Sync,
    order: impl Fn(&T, &T) -> Ordering + Sync,
) -> Vec<T> {
    let mut places: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(place, item)| (beginning(name(item)), place))
        .collect();
    let compare = |(a_begins, a): &(u128, usize), (b_begins, b): &(u128, usize)| {
        let (a, b) = (&items[*a], &items[*b]);
        (a_begins.cmp(b_begins))
            .then_with(|| name(a).cmp(name(b)))
            .then_with(|| order(a, b))
    };
    let length = piece_length(&places);
    thread::scope(|scope| {
        let mut pieces = places.chunks_mut(length);
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            scope.spawn(|| piece.sort_by(compare));
        }
        last.sort_by(compare);
    });
    // A stable sort finds the runs that are in order already, and merges them.
    places.sort_by(compare);
    let places = places.into_iter().map(|(_, place)| place).collect();
    put_in_order(&mut items, places);
    items
}

/// Puts at each place the item that `places` names for it. Where the list is
/// large, room for a second one costs more than sorting.
fn put_in_order<T>(items: &mut [T], mut places: Vec<usize>) {
    for start in 0..places.len() {
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut places[at], at);
            if from == start {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

/// The first sixteen bytes as a number that sorts as they do.
fn beginning(name: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = name.len().min(16);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::deb::deb822::stanzas;
    use super::*;

    #[test]
    fn a_cut_text_has_the_same_stanzas_wherever_it_is_cut() {
        let text = "a: 1\n\n\nb: 2\n c\n\n\n\nd: 3";
        let whole: Vec<_> = stanzas(text).collect();
        for from in 0..text.len() {
            let (one, other) = text.split_at(next_seam(text, from, "\n\n"));
            let cut: Vec<_> = stanzas(one).chain(stanzas(other)).collect();
            assert_eq!(cut, whole, "cut from {from}");
        }
    }

    #[test]
    fn a_large_text_is_cut_and_nothing_of_it_is_lost() {
        let text: String = (0..200_000).map(|n| format!("n: {n}\n\n")).collect();
        let pieces: Vec<_> = of_text(&text).collect();
        assert_eq!(pieces.len(), count(text.len(), TEXT));
        assert_eq!(pieces.concat(), text);
        let found = each(&pieces, |piece| Ok::<_, ()>(stanzas(piece).collect()));
        assert!(stanzas(&text).eq(found.unwrap()));
        assert_eq!(of_text("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn the_first_error_is_the_first_of_the_text() {
        let pieces = [1, 2, 3];
        let refuse = |piece: &i32| {
            if *piece == 1 {
                Ok(vec![1])
            } else {
                Err(*piece)
            }
        };
        assert_eq!(each(&pieces, refuse), Err(2));
    }

    #[test]
    fn a_list_that_is_sorted_in_pieces_is_sorted_as_a_whole() {
        let names: Vec<_> = (0..3 * LIST)
            .map(|n| format!("{}", n * 7919 % 5000))
            .collect();
        let items: Vec<_> = names.iter().map(String::as_str).zip(0..).collect();
        let mut expected = items.clone();
        expected.sort_by(|a, b| a.0.cmp(b.0).then(b.1.cmp(&a.1)));
        assert_eq!(sorted(items, |item| item.0, |a, b| b.1.cmp(&a.1)), expected);
    }

    proptest! {
        #[test]
        fn sorts_as_one_comparison_after_the_other_would(
            names in prop::collection::vec("[ab\0é]{0,20}", 0..40),
        ) {
            let items: Vec<_> = names.iter().zip(0..).map(|(name, n)| (name.as_str(), n % 3)).collect();
            let mut expected = items.clone();
            expected.sort_by(|a, b| a.0.cmp(b.0).then(b.1.cmp(&a.1)));
            prop_assert_eq!(sorted(items, |item| item.0, |a, b| b.1.cmp(&a.1)), expected);
        }
    }
}
