//! Bytes of a text file as text, whatever its encoding: UTF-8, UTF-16 with a mark, or GB 18030 as
//! Chinese Windows programs write it.

use encoding_rs::{Encoding, GB18030, UTF_8};

use super::refused;
use crate::domain::refusal::Refusal;

/// Reads text, with lines that end in `\n`. Refuses with `questions.encoding`.
pub(super) fn decode(bytes: &[u8]) -> Result<String, Refusal> {
    let (encoding, mark) =
        Encoding::for_bom(bytes).unwrap_or_else(|| match std::str::from_utf8(bytes) {
            Ok(_) => (UTF_8, 0),
            Err(_) => (GB18030, 0),
        });
    let (text, malformed) = encoding.decode_without_bom_handling(&bytes[mark..]);
    if malformed || text.contains('\0') {
        return Err(refused(
            "questions.encoding",
            "无法识别文件的文字编码，请另存为 UTF-8 后再导入。",
            "The file's text encoding is unknown; save it as UTF-8.",
        ));
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}
