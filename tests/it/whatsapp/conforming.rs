//! The gateway does what each gateway does that pairs a phone.

use fake_whatsapp::FakeWhatsApp;

use super::{fake, start};
use crate::harness::{ANNA, CLINIC, Messenger, conforms};

impl Messenger for FakeWhatsApp {
    const PROVIDER: &'static str = "whatsapp";

    fn scan(&self, code: &str) -> bool {
        self.scan(CLINIC, code).is_ok()
    }

    fn unlink(&self) {
        for device in self.devices(CLINIC) {
            self.unlink(CLINIC, device);
        }
    }

    fn is_linked(&self) -> bool {
        !self.devices(CLINIC).is_empty()
    }

    fn anna_says(&self, text: &str) {
        self.phone_send(ANNA, CLINIC, text).unwrap();
    }

    fn phone_says(&self, text: &str) {
        self.phone_send(CLINIC, ANNA, text).unwrap();
    }

    fn anna_received(&self) -> Vec<String> {
        // What the clinic's phone wrote is no message of the linked device.
        let all = self.inbox_of(ANNA);
        let texts = all.iter().filter_map(|delivery| Some(delivery.text()?.to_owned()));
        texts.filter(|text| text != "third, from the phone").collect()
    }

    fn anna_reads(&self) {
        let arrival = self.arrivals().into_iter().rfind(|arrival| arrival.to == ANNA).unwrap();
        self.phone_read(ANNA, CLINIC, &arrival.id);
    }

    fn was_read(&self) -> bool {
        self.receipts().iter().any(|receipt| receipt.kind == "read" && receipt.to == ANNA)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_each_gateway_does() {
    let fake = fake().await;
    let mut app = start(&fake).await;
    conforms(&mut app, &fake).await;
    assert_eq!(fake.undecryptable(), []);
}
