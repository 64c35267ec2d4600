//! Elements to be put in order: their texts one behind the other, and for each where it stands and what it weighs.
use crate::fault::{Fault, until_zero};
use crate::keyspace::StrRef;
use crate::number::parse_f64;
use std::cmp::Ordering;
use std::ops::Range;

const NO_SCORE: Fault = Fault::new("ERR One or more scores can't be converted into double");

/// The elements, in the order that they have so far.
#[derive(Debug, Default)]
pub(super) struct Order {
    texts: Vec<u8>,
    elements: Vec<Element>,
}

#[derive(Clone, Copy, Debug)]
struct Element {
    /// Before it is sorted: of an integer, its value; else no number.
    weight: f64,
    start: usize,
    len: u32,
    /// Which it was before anything was sorted.
    index: u32,
}

impl Element {
    fn text(self, texts: &[u8]) -> &[u8] {
        &texts[self.start..self.start + self.len as usize]
    }
}

impl Order {
    /// Adds an element.
    pub(super) fn push(&mut self, element: StrRef<'_>) {
        let start = self.texts.len();
        self.texts.extend_from_slice(element.bytes(&mut [0; 20]));
        let weight = match element {
            StrRef::Int(value) => value as f64,
            StrRef::Bytes(_) => f64::NAN,
        };
        let len = (self.texts.len() - start) as u32;
        self.elements.push(Element { weight, start, len, index: self.elements.len() as u32 });
    }
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }
    /// Those of a range.
    pub(super) fn iter(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = &[u8]> {
        self.elements[range].iter().map(|element| element.text(&self.texts))
    }

    /// Each weighs what its text says.
    pub(super) fn weigh(&mut self) -> Result<&mut Self, Fault> {
        for element in &mut self.elements {
            if element.weight.is_nan() {
                element.weight = weight_of_text(element.text(&self.texts))?;
            }
        }
        Ok(self)
    }
    /// Each weighs what is given, in the order in which they were added.
    pub(super) fn set_weights(&mut self, weights: &[f64]) -> &mut Self {
        self.elements.iter_mut().zip(weights).for_each(|(element, weight)| element.weight = *weight);
        self
    }

    /// Puts those that belong in `range` there, in order of their weights, of their texts where these are alike.
    pub(super) fn sort_by_weight(&mut self, range: Range<usize>, descending: bool) {
        let texts = &self.texts;
        let compare = |one: &Element, other: &Element| {
            let by_weight = one.weight.partial_cmp(&other.weight).unwrap_or(Ordering::Equal);
            by_weight.then_with(|| one.text(texts).cmp(other.text(texts)))
        };
        sort_range(&mut self.elements, range, descending, compare);
    }
    /// The same in order of the texts.
    pub(super) fn sort_by_text(&mut self, range: Range<usize>, descending: bool) {
        let texts = &self.texts;
        let compare = |one: &Element, other: &Element| one.text(texts).cmp(other.text(texts));
        sort_range(&mut self.elements, range, descending, compare);
    }
    /// The same in order of other texts, one an element in the order in which they were added: none comes before any, and
    /// what is alike stays as it was.
    pub(super) fn sort_by_others(
        &mut self,
        others: &[Option<Vec<u8>>],
        range: Range<usize>,
        descending: bool,
    ) {
        let other = |element: &Element| &others[element.index as usize];
        // Turned round with all else, so that it is turned back.
        let tie = if descending { Ordering::reverse } else { |order| order };
        let compare = |one: &Element, two: &Element| {
            other(one).cmp(other(two)).then_with(|| tie(one.index.cmp(&two.index)))
        };
        sort_range(&mut self.elements, range, descending, compare);
    }
}

/// Sorts what belongs in a range; the rest stays on its side of it, in no order.
fn sort_range<T>(all: &mut [T], range: Range<usize>, descending: bool, compare: impl Fn(&T, &T) -> Ordering) {
    let compare = |one: &T, other: &T| if descending { compare(other, one) } else { compare(one, other) };
    if range.is_empty() {
        return;
    }
    let Range { start, end } = range;
    let mut part = all;
    if end < part.len() {
        part = part.select_nth_unstable_by(end, compare).0;
    }
    if start > 0 {
        part.select_nth_unstable_by(start, compare);
    }
    part[start..].sort_unstable_by(compare);
}

/// The number that a value is.
pub(super) fn weight(value: StrRef<'_>) -> Result<f64, Fault> {
    match value {
        StrRef::Int(value) => Ok(value as f64),
        StrRef::Bytes(text) => weight_of_text(text),
    }
}

/// Redis asks C, which skips spaces, ends at a zero byte, takes nothing for zero, and finds tiny numbers out of range.
fn weight_of_text(text: &[u8]) -> Result<f64, Fault> {
    let text = until_zero(text);
    if text.is_empty() {
        return Ok(0.0);
    }
    parse_f64(text.trim_ascii_start()).filter(|value| !value.is_subnormal()).ok_or(NO_SCORE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_range_is_as_if_all_were_sorted(
            values in prop::collection::vec(0u8..20, 0..60), start in 0usize..70, len in 0usize..70, descending: bool,
        ) {
            let start = start.min(values.len());
            let range = start..(start + len).min(values.len());
            let mut sorted = values.clone();
            sorted.sort_unstable();
            if descending {
                sorted.reverse();
            }
            let mut part = values;
            sort_range(&mut part, range.clone(), descending, u8::cmp);
            prop_assert_eq!(&part[range.clone()], &sorted[range]);
        }
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, value) in
            [(&b""[..], 0.0), (b" 12", 12.0), (b"1\x00x", 1.0), (b"0x10", 16.0), (b"-inf", f64::NEG_INFINITY)]
        {
            assert_eq!(weight_of_text(text), Ok(value));
        }
        for text in ["nan", "  ", "1 ", "a", "1e400", "1e-310", "--1"] {
            assert_eq!(weight_of_text(text.as_bytes()), Err(NO_SCORE), "{text}");
        }
    }
}
