//! Time-outs, one by one.

use tokio::time::{Instant, sleep};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
/// How late a busy machine may notice.
const LATE: Duration = Duration::from_secs(3);

/// The exchange must end with this limit, about when it says.
async fn ends(settings: Settings, url: &Url, expected: Limit) -> WireError {
    let client = Client::new(settings).unwrap();
    let began = Instant::now();
    let error = fetch(&client, url).await.unwrap_err();
    let WireError::Timeout { limit, value, .. } = error else { panic!("{error:?}") };
    assert_eq!((limit, value), (expected, SHORT));
    assert!(began.elapsed() >= SHORT && began.elapsed() < SHORT + LATE, "{:?}", began.elapsed());
    error
}

fn idle(url: &Url) -> Settings {
    Settings { idle_timeout: SHORT, ..settings(url) }
}

#[tokio::test]
async fn a_peer_without_an_answer() {
    let url = listen(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        sleep(LATE * 2).await;
    })
    .await;
    let error = ends(idle(&url), &url, Limit::Idle).await;
    assert!(error.outcome_unknown());
    assert!(error.to_string().contains("300ms (idle_timeout)"), "{error}");
}

#[tokio::test]
async fn a_peer_that_does_not_read_the_request() {
    let url = listen(|stream| async move {
        sleep(LATE * 2).await;
        drop(stream);
    })
    .await;
    let client = Client::new(idle(&url)).unwrap();
    let error = client.post(&url, Version::V11, Body::from(vec![b'x'; 32 << 20])).await.unwrap_err();
    assert!(matches!(error, WireError::Timeout { limit: Limit::Idle, unknown: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_takes_the_request_slowly_is_waited_for() {
    let url = listen(|mut stream| async move {
        let mut piece = vec![0; 1 << 20];
        for _ in 0..8 {
            stream.read_exact(&mut piece).await.unwrap();
            sleep(SHORT / 4).await;
        }
        tokio::spawn(async move {
            let mut rest = stream;
            rest.write_all(reply(200, "", "ok").as_bytes()).await.unwrap();
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.ok();
        });
    })
    .await;
    let client = Client::new(Settings { idle_timeout: SHORT * 2, ..settings(&url) }).unwrap();
    let response = client.post(&url, Version::V11, Body::from(vec![b'x'; 16 << 20])).await.unwrap();
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_header_that_drips_counts_as_silence() {
    let url = listen(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(SHORT / 10).await;
        }
    })
    .await;
    ends(idle(&url), &url, Limit::Idle).await;
}

#[tokio::test]
async fn endless_interim_answers_count_as_silence() {
    let url = listen(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    ends(idle(&url), &url, Limit::Idle).await;
}

/// A peer that sends one byte of its body after another, this long apart, without an end.
async fn drip(pause: Duration) -> Url {
    listen(move |mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            sleep(pause).await;
        }
    })
    .await
}

#[tokio::test]
async fn silence_in_the_middle_of_a_body() {
    let url = drip(LATE * 2).await;
    assert!(ends(idle(&url), &url, Limit::Idle).await.outcome_unknown());
}

#[tokio::test]
async fn a_body_without_an_end() {
    let url = drip(SHORT / 30).await;
    ends(Settings { total_timeout: SHORT, ..settings(&url) }, &url, Limit::Total).await;
}

#[tokio::test]
async fn a_body_that_only_drips() {
    let url = drip(SHORT / 30).await;
    let mut client = client(&url);
    Arc::get_mut(&mut client.inner).unwrap().bounds.pace_window = SHORT;
    let error = fetch(&client, &url).await.unwrap_err();
    assert!(matches!(error, WireError::Timeout { limit: Limit::Pace, .. }), "{error:?}");
    assert!(error.to_string().contains("slower than 1 KiB/s"), "{error}");
}

#[tokio::test]
async fn a_caller_that_takes_its_time_does_not_make_the_server_slow() {
    let (url, _) = answer(vec![reply(200, "", &"x".repeat(500_000))]).await;
    let mut client = Client::new(idle(&url)).unwrap();
    Arc::get_mut(&mut client.inner).unwrap().bounds.pace_window = SHORT;
    let mut response = post(&client, &url).await.unwrap();
    let mut read = 0;
    for pause in [SHORT * 2, SHORT * 2, Duration::ZERO].into_iter().chain(std::iter::repeat(Duration::ZERO)) {
        sleep(pause).await;
        match response.chunk().await.unwrap() {
            Some(chunk) => read += chunk.len(),
            None => break,
        }
    }
    assert_eq!(read, 500_000);
}

#[tokio::test]
async fn a_peer_that_takes_the_connection_and_says_nothing_about_tls() {
    let mut url = listen(|stream| async move {
        sleep(LATE * 2).await;
        drop(stream);
    })
    .await;
    url = Url::parse(&url.as_str().replace("http://", "https://")).unwrap();
    let error = ends(Settings { connect_timeout: SHORT, ..settings(&url) }, &url, Limit::Connect).await;
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn time_outs_beyond_all_measure_are_no_trouble() {
    let (url, _) = answer(vec![reply(200, "", "ok")]).await;
    let for_ever = Duration::MAX;
    let settings =
        Settings { connect_timeout: for_ever, idle_timeout: for_ever, total_timeout: for_ever, ..settings(&url) };
    assert_eq!(fetch(&Client::new(settings).unwrap(), &url).await.unwrap().0, 200);
}
