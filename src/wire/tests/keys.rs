//! Private keys in their many forms. They were made for these tests with openssl; the password is `correct`.

use rcgen::KeyPair;
use rustls::pki_types::PrivateKeyDer;

use super::transport::{Authority, tls_peer};
use super::*;
use crate::wire::keys::{certificates, private_key};
use crate::wire::redact::Known;

const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgF8v40ZKKU4RCCzE3
sw4v89j45CSb4O59Y7sKk4+y7L6hRANCAAQpi+YB9tU2isXn2LC9nb4V5hBAoknL
mfVuVFcGnHGWDBvGbHw4wuB0NdzjFnDT+q3MrSkYCwtm3EjFCl2nJRLK
-----END PRIVATE KEY-----
";
const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIBfL+NGSilOEQgsxN7MOL/PY+OQkm+DufWO7CpOPsuy+oAoGCCqGSM49
AwEHoUQDQgAEKYvmAfbVNorF59iwvZ2+FeYQQKJJy5n1blRXBpxxlgwbxmx8OMLg
dDXc4xZw0/qtzK0pGAsLZtxIxQpdpyUSyg==
-----END EC PRIVATE KEY-----
";
const AES: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj57PN4PpBT6gICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEBfeswF4XPRDTusyDFPIlDYEgZBG
3hN0LG7IqdeC1zAp0M6RE6845gWtZrJnUVWxVXnKXreb+kOxAUp2FYF6WoC9Hk6A
9OORZq7p18wipccQPVYZs86G6uzw5HGziFy89nOMJIV1lCMZ0i3UHye0DFIYPxPX
WxRnB1Mvh7wjVZo3CIzrGWihQT3bP3kBDe0lZw5JStYmA4PI777Ea4FLD9gPDrI=
-----END ENCRYPTED PRIVATE KEY-----
";
/// As `openssl req -newkey` of OpenSSL 3.0 makes them.
const TRIPLE_DES: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAghngm/zRmICAICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIowlT2e62QY0EgZBLQSP1hfbJB9pR
J+F7bnSAp/v4yED22RxtPWlbliRlg7BSVuEk4n9VGw8Wla+iOM/opv6IsLwjQJob
nH/HLGRyaaX1T/96KuBmzuK0KqsVwWYU0aA69lT2YHzDoFxM41XrRymackgNKvd9
+DE4Hw28n+mkDD6aOzteiU/cxyHCziPMtP+pvHOviKt/amtLv1Y=
-----END ENCRYPTED PRIVATE KEY-----
";
const SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAircvmpZJvdAgICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBDmu4Z2a1LEYNX190cCORvXBIGQb5MwgBU+LnV4
gIRu2CIaKIO3rF4At9hxqoFP8Ud/uU+Mqn7AkqCH+FHljuoIWbi2apePnJddIq4W
ihOK355nn4A+VI5Z5biZOPpzddrpGNi+YgmrIs44LgsRJG4K1gCH7rS/07nHRbid
yySSSbDfa5haMD1XoU6yi4oMf1vJbw37QCkhAy5MCqyyVUz0vJ/X
-----END ENCRYPTED PRIVATE KEY-----
";
/// PBKDF2 with SHA-1, as OpenSSL 1.0 made them.
const SHA1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAi+nFC39uaCoQICCAAw
HQYJYIZIAWUDBAECBBBcW38bNQbskZfCnQvywE0NBIGQecdniGVz9JokfG3/a1aY
6MmUzxcy7SRJPsCa+0REvALzeWXtZyYFwMpTQa4opBQeQK8QvwTLHJQKKpUfOJYh
ZBmfSoND7HX1K9euCphK4g1YSwRy6KZ8kPW5fBgSr931FLRV3icIsC0/1NLxHTsU
QNxA7tD+BWS5ijHp3r4j743mLEMGEg8fBzQ0AXnqzt9a
-----END ENCRYPTED PRIVATE KEY-----
";
const PBES1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGxMBwGCiqGSIb3DQEMAQMwDgQI17blx7nrLlkCAggABIGQnferpIgpxjxIXMIY
bu1QYcK6x0Pr/hFIpGHMPIGqLpYvirY44/avTpiZZN0ZThGDRd+deOqAMka7hlVl
19elqE28ebFqY1xXA8YOXtiYmK7G72DMLk8dM7iznFArjgm8Drguc/2Yvare4U6A
Wp+rZXeUGnQN5sBM7mSaPCFuZ6xH8mB48F3c5qno1+fLiGx1
-----END ENCRYPTED PRIVATE KEY-----
";
const OLD: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,5FE4F5048C3AF6100F43D2CB43768808

CPHCjMcZeftwfjlYt0BPl2hyfIbOFi4nQnMfHZ4SqprCPiVBBrFp/0gx773lsBIk
HsfcbRysokIofP02zQMExaw23bklVtkbhyVF9quyi0MicKo9/SoVfo+D0UMG5x+p
9TUPBcscXmKL2yu1SQ+J9KJOo2+OI3/sO238KKmf9j4=
-----END EC PRIVATE KEY-----
";

fn read(key: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, WireError> {
    let key_password = password.map(Secret::from);
    private_key(&Identity { certificates: Vec::new(), key: key.into(), key_password }, &Known::default())
}

#[test]
fn keys_of_every_supported_encryption_are_the_same_key() {
    let plain = read(PKCS8, None).unwrap();
    for encrypted in [AES, TRIPLE_DES, SCRYPT, SHA1, &AES.replace('\n', "\r\n"), &format!("Bag Attributes\n{AES}")] {
        assert_eq!(read(encrypted, Some("correct\n")).unwrap(), plain);
    }
    assert!(matches!(read(SEC1, None).unwrap(), PrivateKeyDer::Sec1(_)));
    let pkcs1 = SEC1.replace(" EC ", " RSA ");
    assert!(matches!(read(&pkcs1, None).unwrap(), PrivateKeyDer::Pkcs1(_)));
}

#[test]
fn a_key_that_cannot_be_read_is_an_error_with_a_way_out() {
    for (key, password, what, hint) in [
        (AES, None, "there is no password", "key_password_file"),
        (AES, Some("wrong"), "cannot be decrypted", "check key_password_file"),
        (PBES1, Some("correct"), "is not known", "openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        (OLD, Some("correct"), "old encrypted form", "openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        ("", None, "no private key", "BEGIN PRIVATE KEY"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None, "no private key", "BEGIN PRIVATE KEY"),
    ] {
        let error = read(key, password).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.hint().contains(hint), "{}", error.hint());
        assert_eq!(error.class(), Class::Admin);
    }
}

#[test]
fn binary_files_are_recognised() {
    let p12 = [0x30, 0x82, 0x09, 0xb1, 0x02, 0x01, 0x03, 0x30];
    let der = [0x30, 0x82, 0x03, 0x05, 0x30, 0x82];
    for content in [&p12[..], &der[..], &[0x30, 0xff], &[0x30, 0x00]] {
        let error = certificates(content, "tls.cert_file").unwrap_err();
        let wanted = if content == p12 { "openssl pkcs12" } else { "openssl x509 -inform der" };
        assert!(error.hint().contains(wanted), "{}", error.hint());
    }
    assert!(certificates(b"", "tls.ca_file").unwrap_err().to_string().contains("tls.ca_file holds no certificate"));
}

#[tokio::test]
async fn an_encrypted_key_opens_the_door() {
    let authority = Authority::new();
    let key = KeyPair::from_pem(PKCS8).unwrap();
    let sensor = authority.sign(&rcgen::CertificateParams::new(vec!["sensor".into()]).unwrap(), key);
    let (url, log) = tls_peer(authority.server_for_clients(&["127.0.0.1"])).await;
    let identity =
        Identity { certificates: sensor.pem.into_bytes(), key: AES.into(), key_password: Some("correct".into()) };
    let tls = Tls { identity: Some(identity), ..authority.tls() };
    let client = Client::new(Settings { tls, ..settings(&url) }).unwrap();
    assert_eq!(fetch(&client, &url).await.unwrap().0, 200);
    assert_eq!(log.len(), 1);
}

#[test]
fn a_key_of_another_certificate_is_an_error() {
    let authority = Authority::new();
    let sensor = authority.certificate(&["sensor"]);
    let identity = Identity { certificates: sensor.pem.into_bytes(), key: PKCS8.into(), key_password: None };
    let url = Url::parse("https://taxii.invalid/").unwrap();
    let tls = Tls { identity: Some(identity), ..authority.tls() };
    let error = Client::new(Settings { tls, ..settings(&url) }).unwrap_err();
    assert!(error.to_string().contains("does not belong to the certificate"), "{error}");
}
