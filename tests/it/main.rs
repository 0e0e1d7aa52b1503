//! The one integration binary.

// The built-in table of offsets equals what the builds at hand state.
mod layout;
// Which Pythons are at hand.
mod pythons;
