//! Files: uploaded, checked by who receives them, downloaded; and what goes wrong with them.

use fake_whatsapp::{Delivery, FakeWhatsApp, File, FileKind, Spoil, Upload, wa};
use whatsapp_rust::download::MediaType;
use whatsapp_rust::media::{self, AudioOptions, DocumentOptions, ImageOptions};
use whatsapp_rust::prelude::*;
use whatsapp_rust::{ErrorChainExt as _, UploadOptions};

use crate::harness::{ALICE, Account, BOB, CAROL, server};

/// Something else that a message says of its picture.
type Change = fn(&mut wa::message::ImageMessage);

/// A small file that isn't the same all over.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * at / 7) as u8).collect()
}

async fn upload(
    client: &Account,
    kind: MediaType,
    bytes: &[u8],
) -> anyhow::Result<whatsapp_rust::upload::UploadResponse> {
    client.client.upload(bytes.to_vec(), kind, UploadOptions::new()).await
}

async fn delivered(fake: &FakeWhatsApp, client: &Account, message: wa::Message) -> Delivery {
    let sent = client.client.send_message(Jid::pn(CAROL), message).await.unwrap();
    fake.wait_for_delivery("Carol has it", |it| it.to == CAROL && it.id == sent.message_id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_uploads_and_sends_is_checked_by_the_phone_that_receives_it() {
    let fake = server().await;
    let alice = Account::linked(&fake, ALICE).await;
    let content = bytes(70_000);

    let options = ImageOptions { caption: Some("the beach".into()), ..Default::default() };
    let picture = media::image_message(upload(&alice, MediaType::Image, &content).await.unwrap(), options);
    let file = delivered(&fake, &alice, picture.clone()).await.file.unwrap();
    let expected =
        File { caption: Some("the beach".into()), ..File::new(FileKind::Image, "image/jpeg", content.clone()) };
    assert_eq!(file, expected);

    let options = AudioOptions { ptt: Some(true), ..Default::default() };
    let voice = media::audio_message(upload(&alice, MediaType::Audio, &content).await.unwrap(), options);
    let file = delivered(&fake, &alice, voice).await.file.unwrap();
    assert_eq!(file, File::new(FileKind::Voice, "audio/ogg; codecs=opus", content.clone()));

    let options = DocumentOptions { file_name: Some("bill.pdf".into()), ..Default::default() };
    let document = media::document_message(upload(&alice, MediaType::Document, &content).await.unwrap(), options);
    let file = delivered(&fake, &alice, document).await.file.unwrap();
    assert_eq!((file.kind, file.file_name.as_deref()), (FileKind::Document, Some("bill.pdf")));

    // One upload serves any number of messages.
    assert_eq!(delivered(&fake, &alice, picture).await.file, Some(expected));
    let kinds: Vec<String> = fake.uploads().into_iter().map(|Upload { kind, .. }| kind).collect();
    assert_eq!(kinds, ["image", "audio", "document"]);
    assert_eq!(fake.broken_files(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_the_message_says_is_noticed() {
    let fake = server().await;
    let alice = Account::linked(&fake, ALICE).await;
    let message = fake.file_message(&File::new(FileKind::Image, "image/png", bytes(1000)));
    let changes: [(&str, Change); 4] = [
        ("bytes, not", |image| image.file_length = Some(999)),
        ("the file has another hash", |image| image.file_sha256 = Some(vec![0; 32])),
        ("invalid MAC", |image| image.media_key = Some(vec![0; 32])),
        ("no such file", |image| image.direct_path = Some("/v/nowhere".into())),
    ];
    for (at, (error, change)) in changes.into_iter().enumerate() {
        let mut message = message.clone();
        change(message.image_message.as_option_mut().unwrap());
        assert_eq!(delivered(&fake, &alice, message).await.file, None);
        assert!(fake.broken_files()[at].error.contains(error), "{:?}", fake.broken_files());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_phone_sends_is_downloaded_and_nobody_takes_what_is_spoilt() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let file = File {
        caption: Some("look".into()),
        pixels: Some((640, 480)),
        thumbnail: Some(vec![0xff, 0xd8, 0xff]),
        ..File::new(FileKind::Image, "image/jpeg", bytes(5000))
    };
    fake.phone_send_file(CAROL, ALICE, &file).unwrap();
    let message = alice.content().await;
    let image = message.image_message.as_option().unwrap();
    assert_eq!((image.caption.as_deref(), image.width), (Some("look"), Some(640)));
    assert_eq!(alice.client.download(image).await.unwrap(), file.bytes);

    for spoil in [Spoil::Flipped, Spoil::Longer(16), Spoil::Cut] {
        fake.spoil_downloads(Some(spoil));
        assert!(alice.client.download(image).await.is_err(), "{spoil:?}");
    }
    fake.spoil_downloads(None);
    fake.refuse_downloads(Some(410));
    assert_eq!(alice.client.download(image).await.unwrap_err().http_status(), Some(410));
    fake.refuse_downloads(None);
    fake.set_media_down(true);
    assert!(alice.client.download(image).await.is_err());

    fake.add_group("120363000000000001", "Friends", &[ALICE, BOB, CAROL]);
    fake.set_media_down(false);
    fake.phone_send_group_message(CAROL, "120363000000000001", &fake.file_message(&file)).unwrap();
    let message = alice.content().await;
    assert_eq!(alice.client.download(message.image_message.as_option().unwrap()).await.unwrap(), file.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_refused_cut_off_and_gone_on_with() {
    let fake = server().await;
    let alice = Account::linked(&fake, ALICE).await;
    fake.refuse_uploads(413, 1);
    let refused = upload(&alice, MediaType::Image, &bytes(1000)).await.unwrap_err();
    assert_eq!(refused.http_status(), Some(413));
    assert_eq!((fake.uploads_begun(), fake.uploads().len()), (1, 0));

    upload(&alice, MediaType::Image, &bytes(1000)).await.unwrap();
    fake.expire_media_auth();
    upload(&alice, MediaType::Image, &bytes(1000)).await.unwrap();
    assert_eq!((fake.uploads_begun(), fake.uploads().len()), (4, 2), "a client asks for another token");

    // The same host twice: the second time the upload goes on where it was cut.
    fake.expire_media_auth();
    fake.set_media_hosts(&["127.0.0.1", "127.0.0.1"]);
    fake.refuse_uploads(401, 1);
    upload(&alice, MediaType::Image, &bytes(10)).await.unwrap();
    let content = bytes(6 << 20);
    fake.cut_upload_after(1 << 20);
    let sent = media::document_message(
        upload(&alice, MediaType::Document, &content).await.unwrap(),
        DocumentOptions::default(),
    );
    let uploads = fake.uploads();
    assert_eq!(uploads.last().unwrap().size, wacore::upload::encrypted_len(content.len()));
    assert!(delivered(&fake, &alice, sent).await.file.unwrap().bytes == content);
    assert_eq!(fake.broken_files(), []);
}
