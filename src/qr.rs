//! QR codes as pictures: PNG for screens that zoom pixels, SVG for those that draw.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// The code as a `data:image/png` URL.
#[must_use]
pub fn data_url(text: &str) -> Option<String> {
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png(text)?)))
}

/// Pixels a module of the PNG has on each side: a phone's camera and a 360 px screen both like it.
const MODULE: usize = 6;
/// Modules of white around the code; the standard's quiet zone.
const MARGIN: usize = 4;

/// The code as the bytes of a PNG; none if the text is too long for a QR code.
#[must_use]
pub fn png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let pixels = (width + 2 * MARGIN) * MODULE;
    let colors = code.to_colors();
    let is_dark = |x: usize, y: usize| {
        let module = |p: usize| (p / MODULE).checked_sub(MARGIN).filter(|m| *m < width);
        module(x).zip(module(y)).is_some_and(|(x, y)| colors[y * width + x] == qrcode::Color::Dark)
    };
    let mut rows = Vec::with_capacity(pixels * pixels.div_ceil(8));
    for y in 0..pixels {
        for byte in 0..pixels.div_ceil(8) {
            // A bit a pixel, white set, the first pixel in the highest bit.
            rows.push((0..8).fold(0_u8, |bits, bit| bits << 1 | u8::from(!is_dark(byte * 8 + bit, y))));
        }
    }
    let mut file = Vec::new();
    let size = u32::try_from(pixels).ok()?;
    let mut encoder = png::Encoder::new(&mut file, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().ok()?.write_image_data(&rows).ok()?;
    Some(file)
}

/// The code as an SVG.
#[must_use]
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(320, 320).build())
}
