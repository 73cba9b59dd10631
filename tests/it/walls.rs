//! The walls between the rooms, read off the source text.
