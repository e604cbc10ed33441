//! Says what to do where the pages lack what others made for them.

fn main() {
    println!("cargo::rerun-if-changed=static");
    if !std::path::Path::new("static/vendor/licences.txt").exists() {
        println!("cargo::error=static/vendor is empty: run `make vendor`, which fetches it from npm");
    }
}
