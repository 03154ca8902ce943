//! A line that is being typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longer than any filter may be.
const LONGEST: usize = 4096;

/// Text with a cursor in it.
#[derive(Clone, Debug, Default)]
pub struct TypedLine {
    before: Vec<char>,
    behind: Vec<char>,
}

impl TypedLine {
    /// With the cursor at its end.
    pub fn new(text: &str) -> TypedLine {
        TypedLine {
            before: text.chars().collect(),
            behind: Vec::new(),
        }
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.before.iter().chain(&self.behind).collect()
    }

    /// What stands before the cursor.
    pub fn before(&self) -> String {
        self.before.iter().collect()
    }

    /// What stands behind it.
    pub fn behind(&self) -> String {
        self.behind.iter().collect()
    }

    /// Edits as a shell's line does. Keys that mean nothing here change nothing.
    pub fn press(&mut self, key: KeyEvent) {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if is_control => self.before.clear(),
            KeyCode::Char('k') if is_control => self.behind.clear(),
            KeyCode::Char('w') if is_control => self.remove_word(),
            KeyCode::Char('a') if is_control => self.move_to(0),
            KeyCode::Char('e') if is_control => self.move_to(usize::MAX),
            KeyCode::Char(c) if !is_control && !c.is_control() && !self.is_full() => {
                self.before.push(c)
            }
            KeyCode::Backspace => _ = self.before.pop(),
            KeyCode::Delete if !self.behind.is_empty() => _ = self.behind.remove(0),
            KeyCode::Left => self.move_to(self.before.len().saturating_sub(1)),
            KeyCode::Right => self.move_to(self.before.len() + 1),
            KeyCode::Home => self.move_to(0),
            KeyCode::End => self.move_to(usize::MAX),
            _ => {}
        }
    }

    fn is_full(&self) -> bool {
        self.before.len() + self.behind.len() >= LONGEST
    }

    fn move_to(&mut self, place: usize) {
        let mut all = std::mem::take(&mut self.before);
        all.append(&mut self.behind);
        self.behind = all.split_off(place.min(all.len()));
        self.before = all;
    }

    /// The word before the cursor; a filter's words end at commas too.
    fn remove_word(&mut self) {
        let is_end = |c: &char| *c == ' ' || *c == ',';
        while self.before.last().is_some_and(is_end) {
            self.before.pop();
        }
        while self.before.last().is_some_and(|c| !is_end(c)) {
            self.before.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_edited_as_a_line_of_a_shell() {
        let mut line = TypedLine::new("info,imu=debug");
        let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        line.press(control('w'));
        assert_eq!(line.text(), "info,");
        line.press(plain(KeyCode::Backspace));
        line.press(plain(KeyCode::Home));
        line.press(plain(KeyCode::Delete));
        line.press(plain(KeyCode::Char('I')));
        assert_eq!((line.before(), line.behind()), ("I".into(), "nfo".into()));
        line.press(control('k'));
        line.press(plain(KeyCode::Right));
        line.press(plain(KeyCode::Delete));
        assert_eq!(line.text(), "I");
        line.press(control('u'));
        line.press(plain(KeyCode::Left));
        line.press(plain(KeyCode::Backspace));
        assert_eq!(line.text(), "");
    }
}
