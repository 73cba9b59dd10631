//! How we are heard: the one user of reqwest.
