//! Text in pages.

/// Text as text of a page, or of an attribute in quotes.
pub fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => made.push_str("&lt;"),
            '&' => made.push_str("&amp;"),
            '"' => made.push_str("&quot;"),
            letter => made.push(letter),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escaped("<a href=\"?a&b\">é"), "&lt;a href=&quot;?a&amp;b&quot;>é");
    }
}
