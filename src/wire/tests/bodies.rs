//! Bodies: their end, their size, their compression, and files on their way out.

use std::io::Write;

use async_compression::tokio::write::{DeflateEncoder, GzipEncoder, ZlibEncoder};

use super::*;

/// A peer that answers with these bytes and closes.
async fn raw(answer: Vec<u8>) -> Url {
    let answer = Arc::new(answer);
    listen(move |mut stream| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(&answer).await.ok();
        }
    })
    .await
}

async fn get(answer: Vec<u8>) -> Result<Vec<u8>, WireError> {
    let url = raw(answer).await;
    Ok(fetch(&client(&url), &url).await?.1)
}

fn with_body(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(content).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_is_cut_short() {
    let error = get(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n<a><b>".to_vec()).await.unwrap_err();
    assert!(matches!(error, WireError::CutShort { read: 6, .. }), "{error:?}");
    assert!(error.outcome_unknown());
    let error =
        get(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<a><b>\r\n".to_vec()).await.unwrap_err();
    assert!(matches!(error, WireError::CutShort { read: 6, .. }), "{error:?}");
}

#[tokio::test]
async fn where_a_body_that_ends_with_the_connection_was_cut_cannot_be_told() {
    assert_eq!(get(b"HTTP/1.1 200 OK\r\n\r\n<a><b>".to_vec()).await.unwrap(), b"<a><b>");
}

#[tokio::test]
async fn a_chunked_body_wins_over_a_length() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(get(answer.to_vec()).await.unwrap(), b"hello");
}

#[tokio::test]
async fn gzip_and_both_kinds_of_deflate_are_decompressed() {
    let content: Vec<u8> = (0..100_000u32).map(|n| (n / 7) as u8).collect();
    let mut zlib = ZlibEncoder::new(Vec::new());
    zlib.write_all(&content).await.unwrap();
    zlib.shutdown().await.unwrap();
    let mut deflate = DeflateEncoder::new(Vec::new());
    deflate.write_all(&content).await.unwrap();
    deflate.shutdown().await.unwrap();
    let mut members = gzip(&content[..40_000]).await;
    members.extend(gzip(&content[40_000..]).await);
    for (encoding, body) in [
        ("gzip", gzip(&content).await),
        ("X-GZIP", members),
        ("deflate", zlib.into_inner()),
        ("deflate", deflate.into_inner()),
        ("identity", content.clone()),
    ] {
        let answer = with_body(&format!("Content-Encoding: {encoding}\r\n"), &body);
        assert!(get(answer).await.unwrap() == content, "{encoding}");
    }
    assert_eq!(get(with_body("Content-Encoding: gzip\r\n", &gzip(b"").await)).await.unwrap(), b"");
}

#[tokio::test]
async fn what_is_labelled_gzip_and_is_not_comes_as_it_is() {
    let labelled = |body: &[u8]| get(with_body("Content-Encoding: gzip\r\n", body));
    for body in [&b""[..], b"<!DOCTYPE html><html>Log in</html>", b"{}"] {
        assert_eq!(labelled(body).await.unwrap(), body);
    }
    let content = b"content ".repeat(10_000);
    let padded = [gzip(&content).await, vec![0; 100_000]].concat();
    assert!(labelled(&padded).await.unwrap() == content);
    let followed = [gzip(&content).await, b"\0\0<html>".to_vec()].concat();
    let error = labelled(&followed).await.unwrap_err();
    assert!(matches!(error, WireError::Encoding { .. }), "{error:?}");
}

#[tokio::test]
async fn compressed_data_that_ends_too_early_is_cut_short() {
    let body = gzip(&b"content ".repeat(1000)).await;
    for cut in [1, 5, 10, 20, body.len() - 1] {
        let error = get(with_body("Content-Encoding: gzip\r\n", &body[..cut])).await.unwrap_err();
        assert!(matches!(error, WireError::CutShort { ended: true, .. }), "{cut}: {error:?}");
        let framed = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        let error = get([framed.as_bytes(), &body[..cut]].concat()).await.unwrap_err();
        assert!(matches!(error, WireError::CutShort { ended: true, .. }), "{cut}: {error:?}");
    }
}

#[tokio::test]
async fn damaged_compression_and_other_codings_are_errors() {
    let mut damaged = gzip(&b"content ".repeat(1000)).await;
    damaged[15] ^= 0xff;
    let error = get(with_body("Content-Encoding: gzip\r\n", &damaged)).await.unwrap_err();
    assert!(matches!(error, WireError::Encoding { .. } | WireError::CutShort { .. }), "{error:?}");
    for coding in ["br", "zstd", "gzip, gzip", "\u{1b}[31m"] {
        let error = get(with_body(&format!("Content-Encoding: {coding}\r\n"), b"xx")).await.unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'));
        assert!(
            matches!(error, WireError::Encoding { .. } | WireError::Foreign { .. } | WireError::Broken { .. }),
            "{coding:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_reply_longer_than_allowed_ends_there_whatever_it_says() {
    let endless = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; 2 << 20]].concat();
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n".to_vec();
    let bomb = with_body("Content-Encoding: gzip\r\n", &gzip(&vec![0; 64 << 20]).await);
    assert!(bomb.len() < 100_000);
    for answer in [endless, announced, bomb] {
        let error = get(answer).await.unwrap_err();
        assert!(matches!(error, WireError::TooLarge { limit: 1_048_576, .. }), "{error:?}");
    }
    let url = raw(with_body("Content-Encoding: gzip\r\n", &gzip(&vec![0; 1 << 20]).await)).await;
    let mut response = post(&client(&url), &url).await.unwrap();
    let mut read = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        assert!(chunk.len() <= 64 * 1024);
        read += chunk.len();
    }
    assert_eq!(read, 1 << 20);
}

#[tokio::test]
async fn files_are_sent_as_they_are_by_several_senders_at_once() {
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let file = Arc::new(file);
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let client = client(&url);
    let body = Body::new().bytes("<a>").file(file, 0..3_000_000).bytes("</a>");
    let sending = (0..4).map(|_| client.post(&url, Version::V11, body.clone()));
    for response in futures_util::future::join_all(sending).await {
        assert_eq!(response.unwrap().status, 200);
    }
    let expected = [b"<a>", &content[..], b"</a>"].concat();
    assert_eq!(log.len(), 4);
    assert!(log.all().iter().all(|asked| asked.body == expected && asked.header("transfer-encoding").is_none()));
}

#[tokio::test]
async fn a_file_that_became_shorter_is_named_and_nothing_whole_was_sent() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[b'x'; 100_000]).unwrap();
    let body = Body::new().file(Arc::new(file), 0..100_001);
    let error = client(&url).post(&url, Version::V11, body).await.unwrap_err();
    assert!(matches!(error, WireError::File { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
    assert_eq!(log.len(), 0);
}
