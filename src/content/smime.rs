//! Whether a file begins with the MIME headers of S/MIME (Content Binding Reference 2.5; RFC 8551, section 3.2).

/// The headers are looked for in this many bytes.
const LONGEST_HEADERS: usize = 8 * 1024;

/// The media type, the name it had before it was registered, and the one of Content Binding Reference 2.5 with its
/// missing letters, which libraries copied.
const MEDIA_TYPES: [&str; 3] = ["application/pkcs7-mime", "application/x-pkcs7-mime", "application/x-pks7-mime"];

/// The beginning of a file, kept until its headers end.
#[derive(Debug, Default)]
pub(super) struct Headers {
    kept: Vec<u8>,
}

impl Headers {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let room = LONGEST_HEADERS - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether they are headers, and their Content-Type is that of S/MIME.
    pub(super) fn finish(self) -> bool {
        let text = String::from_utf8_lossy(&self.kept).replace("\r\n", "\n");
        let headers = text.split_once("\n\n").map_or(text.as_str(), |(headers, _)| headers);
        // A line that begins with white space continues the one before it (RFC 5322, section 2.2.3).
        let unfolded = headers.replace("\n ", " ").replace("\n\t", " ");
        let mut found = false;
        for line in unfolded.lines() {
            let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else { return false };
            if name.eq_ignore_ascii_case("content-type") {
                let media_type = value.split(';').next().unwrap_or_default().trim();
                found = MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(media_type));
            }
        }
        found
    }
}

/// A header's name is printable ASCII (RFC 5322, section 2.2).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_mime_is_known_by_its_headers_alone() {
        let long = format!("Content-Type: application/pkcs7-mime\nX-Long: {}", "x".repeat(10_000));
        let table = [
            ("Content-Type: application/pkcs7-mime\n\nMIIB", true),
            ("MIME-Version: 1.0\r\nContent-Type: application/x-pkcs7-mime; name=\"a.p7m\";\r\n\tx=y\r\n\r\nMIIB", true),
            ("content-type:APPLICATION/X-PKS7-MIME;a=b\n\n", true),
            ("Content-Type:\r\n application/pkcs7-mime\r\n\r\n  MIIB", true),
            (long.as_str(), true),
            ("Content-Type: text/plain\n\napplication/pkcs7-mime", false),
            ("Content-Type: text/plain\n\nContent-Type: application/pkcs7-mime", false),
            ("Dear reader\nContent-Type: application/pkcs7-mime\n\n", false),
            (" Content-Type: application/pkcs7-mime\n\n", false),
            ("\nContent-Type: application/pkcs7-mime\n\n", false),
            ("two words: application/pkcs7-mime\n\n", false),
            ("MIIB", false),
            ("", false),
        ];
        for (text, expected) in table {
            for size in [1, 7, 20_000] {
                let mut headers = Headers::default();
                text.as_bytes().chunks(size).for_each(|bytes| headers.feed(bytes));
                assert_eq!(headers.finish(), expected, "{text:.60} in pieces of {size}");
            }
        }
    }
}
