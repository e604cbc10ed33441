//! Says what to do where the pages lack what others made for them.

fn main() {
    const FETCHED: &str = "static/vendor/licences.txt";
    println!("cargo::rerun-if-changed=static");
    assert!(
        std::path::Path::new(FETCHED).exists(),
        "static/vendor is empty: run `make vendor`, which fetches it from npm"
    );
}
