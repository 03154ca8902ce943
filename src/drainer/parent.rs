//! The drainer's tie to the process that asked for it: its parent, and of a drainer from outside also the service that started it.

use super::talk::Talk;
use super::words::Word;
use crate::segment::channel::{Channel, Heard};

/// Whom the drainer tells how far it is, and who may ask it to end.
#[derive(Default)]
pub(super) struct Parent {
    /// To the process that started it.
    channel: Option<Channel>,
    /// To the ring's maker, where another process started the drainer.
    talk: Option<Talk>,
    is_stopping: bool,
    has_moved: bool,
}

impl Parent {
    pub(super) fn new(channel: Channel, talk: Option<Talk>, is_stopping: bool) -> Parent {
        Parent {
            channel: Some(channel),
            talk,
            is_stopping,
            has_moved: false,
        }
    }

    /// Tells the process that started this one, and no other. A drainer that does not have the ring says nothing beside it:
    /// the one of another service may have it, and the parent would take its words for that one's.
    pub(super) fn tell_starter(&self, word: &Word) {
        if let Some(channel) = &self.channel {
            // One that does not listen is not waited for: what it must know it asks again, by the next drainer.
            let _ = channel.send(word.encode().as_bytes(), &[]);
        }
    }

    /// Says it, where there is a process to hear it.
    pub(super) fn say(&mut self, word: &Word) {
        self.tell_starter(word);
        if let Some(talk) = &mut self.talk {
            talk.say(word);
        }
    }

    /// Something has been delivered.
    pub(super) fn note_delivery(&mut self) {
        if !std::mem::replace(&mut self.has_moved, true) {
            self.say(&Word::Moved);
        }
    }

    /// Whether it has asked for the end, as far as has been heard.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Hears whether it asks for the end. That nothing can come any more says nothing: the parent may have closed all
    /// descriptors that it does not know.
    pub(super) fn listen(&mut self) {
        if self.is_stopping {
            return;
        }
        self.is_stopping = match (&mut self.talk, &self.channel) {
            // The service that started us is not who decides about the ring.
            (Some(talk), _) => talk.listen().contains(&Word::Stop),
            (None, Some(channel)) => hears_stop(channel),
            (None, None) => false,
        };
    }

    /// What has been said beside the ring before this drainer had it: another service's may have begun or ended it.
    pub(super) fn catch_up(&mut self) -> Vec<Word> {
        let said = self.talk.as_mut().map(Talk::listen).unwrap_or_default();
        self.is_stopping |= said.contains(&Word::Stop);
        said
    }
}

fn hears_stop(channel: &Channel) -> bool {
    while let Heard::Message(message, _) = channel.receive() {
        if Word::decode(&message) == Some(Word::Stop) {
            return true;
        }
    }
    false
}
