//! The checker must find every kind of corruption, and nothing in a history that is right.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Instant;

use chatbot_api::conversations::{MessageOut, Role};
use chatbot_api::turns::TurnOut;
use uuid::Uuid;

use super::{Violation, verify};
use crate::history::read::Readable;
use crate::history::{History, Sent, UserHistory};

fn message(
    conversation_id: Uuid,
    turn_id: Uuid,
    seq: u64,
    role: Role,
    content: &str,
) -> MessageOut {
    let created_at = jiff::Timestamp::UNIX_EPOCH;
    MessageOut {
        id: Uuid::now_v7(),
        conversation_id,
        turn_id,
        seq,
        role,
        content: content.to_owned(),
        model: None,
        created_at,
    }
}

/// A user who sent three messages in one conversation, all answered; and what can be read of it.
struct World {
    user: UserHistory,
    readable: Readable,
    conversation: Uuid,
}

impl World {
    fn new() -> Self {
        let conversation = Uuid::now_v7();
        let (mut messages, mut sent) = (Vec::new(), Vec::new());
        for number in 0..3_u64 {
            let (turn, text) = (Uuid::now_v7(), format!("m{number}"));
            let asked = message(conversation, turn, 2 * number + 1, Role::User, &text);
            let answer = message(
                conversation,
                turn,
                2 * number + 2,
                Role::Assistant,
                &format!("You said: {text}"),
            );
            messages.extend([asked.clone(), answer.clone()]);
            let done = TurnOut {
                message: asked.clone(),
                answer,
                finish_reason: "stop".to_owned(),
                usage: None,
            };
            sent.push(Sent {
                text,
                conversation: (number > 0).then_some(conversation),
                began: Instant::now(),
                failures: Vec::new(),
                accepted: Some((Instant::now(), asked)),
                done: Some((Instant::now(), Box::new(done))),
                refused: None,
            });
        }
        let user = UserHistory {
            messages: sent,
            ..UserHistory::default()
        };
        Self {
            user,
            readable: Readable {
                conversations: vec![(conversation, messages)],
            },
            conversation,
        }
    }

    fn messages(&mut self) -> &mut Vec<MessageOut> {
        &mut self.readable.conversations[0].1
    }

    /// Numbers the messages anew, so that only the corruption itself is found.
    fn renumber(&mut self) {
        for (place, message) in self.messages().iter_mut().enumerate() {
            message.seq = u64::try_from(place).unwrap() + 1;
        }
    }

    fn check(self) -> Vec<Violation> {
        let now = Instant::now();
        verify(
            &History {
                began: now,
                ended: now,
                users: vec![self.user],
            },
            &[self.readable],
        )
    }
}

#[test]
fn a_right_history_has_no_violation() {
    assert_eq!(World::new().check(), []);
}

#[test]
fn a_lost_message_is_found() {
    let mut world = World::new();
    world.messages().remove(4);
    assert!(world.check().contains(&Violation::Lost("m2".to_owned())));
}

#[test]
fn a_lost_answer_is_found() {
    let mut world = World::new();
    world.messages().pop();
    assert_eq!(
        world.check(),
        [Violation::Lost("the answer to m2".to_owned())]
    );
}

#[test]
fn a_lost_conversation_is_found() {
    let mut world = World::new();
    world.readable.conversations.clear();
    assert_eq!(world.check().len(), 3);
}

#[test]
fn a_doubled_message_is_found() {
    let mut world = World::new();
    let copy = world.messages()[0].clone();
    world.messages().push(MessageOut {
        id: Uuid::now_v7(),
        seq: 7,
        turn_id: Uuid::now_v7(),
        ..copy
    });
    assert_eq!(world.check(), [Violation::Doubled("m0".to_owned())]);
}

#[test]
fn a_doubled_answer_is_found() {
    let mut world = World::new();
    let copy = world.messages()[5].clone();
    world.messages().push(MessageOut {
        id: Uuid::now_v7(),
        seq: 7,
        ..copy
    });
    assert!(matches!(world.check()[..], [Violation::Doubled(_)]));
}

#[test]
fn reordered_messages_are_found() {
    let mut world = World::new();
    world.messages().swap(0, 2);
    world.renumber();
    assert!(
        world
            .check()
            .iter()
            .any(|violation| matches!(violation, Violation::Reordered(_)))
    );
}

#[test]
fn a_changed_text_is_found() {
    let mut world = World::new();
    world.messages()[1].content = "something else".to_owned();
    assert_eq!(
        world.check(),
        [Violation::Changed("the answer to m0".to_owned())]
    );
}

#[test]
fn an_answer_to_another_message_is_found() {
    let mut world = World::new();
    world.messages()[1].content = "You said: m1".to_owned();
    let answer = world.messages()[1].clone();
    world.user.messages[0].done.as_mut().unwrap().1.answer = answer;
    assert!(matches!(world.check()[..], [Violation::Changed(_)]));
}

#[test]
fn a_refused_message_that_appears_is_found() {
    let mut world = World::new();
    let refused = &mut world.user.messages[2];
    (refused.accepted, refused.done, refused.refused) = (None, None, Some(404));
    assert_eq!(world.check(), [Violation::Resurrected("m2".to_owned())]);
}

#[test]
fn a_deleted_conversation_that_appears_is_found_and_one_that_is_gone_is_right() {
    let mut world = World::new();
    world.user.deleted.push(world.conversation);
    assert!(matches!(world.check()[..], [Violation::Resurrected(_)]));
    let mut world = World::new();
    world.user.deleted.push(world.conversation);
    world.readable.conversations.clear();
    assert_eq!(world.check(), []);
}

#[test]
fn a_message_of_unknown_fate_may_be_there_once_or_not() {
    let mut world = World::new();
    let unknown = &mut world.user.messages[2];
    (unknown.accepted, unknown.done) = (None, None);
    assert_eq!(world.check(), []);
    let mut world = World::new();
    let unknown = &mut world.user.messages[2];
    (unknown.accepted, unknown.done) = (None, None);
    world.messages().truncate(4);
    assert_eq!(world.check(), []);
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let mut world = World::new();
    let invented = message(
        world.conversation,
        Uuid::now_v7(),
        7,
        Role::User,
        "from nowhere",
    );
    world.messages().push(invented);
    assert_eq!(
        world.check(),
        [Violation::Invented("from nowhere".to_owned())]
    );
}

#[test]
fn a_gap_is_found() {
    let mut world = World::new();
    for message in world.messages() {
        if message.seq == 6 {
            message.seq = 7;
        }
    }
    let conversation = world.conversation;
    assert!(world.check().contains(&Violation::Gap(conversation)));
}
