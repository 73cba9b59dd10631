//! What XML is: a strict, streaming, bounded reader.
