//! The gateway does what each gateway does that pairs a phone.

use fake_whatsapp_web::{Behaviour, FakeWeb};

use super::Stage;
use crate::harness::{ANNA, CLINIC, Messenger, NOBODY, conforms};

impl Messenger for FakeWeb {
    const PROVIDER: &'static str = "whatsappweb";

    fn scan(&self, code: &str) -> bool {
        self.scan(code, CLINIC, "Clinic")
    }

    fn unlink(&self) {
        self.logout(CLINIC);
    }

    fn is_linked(&self) -> bool {
        self.is_linked(CLINIC)
    }

    fn anna_says(&self, text: &str) {
        self.person(ANNA).named("Anna").says(CLINIC, text);
    }

    fn phone_says(&self, text: &str) {
        self.phone_says(CLINIC, ANNA, text);
    }

    fn anna_received(&self) -> Vec<String> {
        self.sent(CLINIC).into_iter().filter(|sent| sent.to == ANNA).map(|sent| sent.text).collect()
    }

    fn anna_reads(&self) {
        self.person(ANNA).reads(CLINIC);
    }

    fn was_read(&self) -> bool {
        self.read(CLINIC).contains(&ANNA.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_each_gateway_does() {
    let mut stage = Stage::new().await;
    stage.fake.behave(NOBODY, Behaviour::NotOnWhatsApp);
    let fake = stage.fake.clone();
    conforms(&mut stage.app, &fake).await;
    stage.end().await;
}
