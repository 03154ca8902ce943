//! iceoryx2: no logger, but how long a bare message takes to be sent to another process.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;

use super::{Logger, Rival, nothing_missing};
use crate::harness::cores::{Cores, pin_others, pin_this_thread};
use crate::harness::messages::three;
use crate::harness::scene::Folder;
use crate::one::{Run, measure};
use crate::scenario::{QUEUE, Scenario, TEXT};

pub const RIVAL: Rival = Rival {
    name: "iceoryx2",
    crosses: "yes",
    configuration: "a bare message, nothing formatted or written: publish-subscribe of a fixed type, one subscriber in \
                    another process that looks every 50 µs, 65,536 messages, `RetryUntilDelivered`",
    text: true,
    scenarios: &[
        Scenario::Three,
        Scenario::Text,
        Scenario::Cold,
        Scenario::Burst,
    ],
    run: |run| match run.scenario {
        Scenario::Text => measure(run, Port::<Text>::open(run, "text")),
        _ => measure(run, Port::<Numbers>::open(run, "numbers")),
    },
    missing: nothing_missing,
};

/// What is sent: a message, or a mark.
trait Message: core::fmt::Debug + ZeroCopySend + 'static {
    fn of_mark(mark: u32) -> Self;
    /// 0 if it is none.
    fn mark(&self) -> u32;
}

/// After a mark of this kind the subscriber says how many messages have come.
const HOW_MANY: u32 = 1;
/// After this one it ends.
const END: u32 = 2;

/// The three numbers of a call.
#[derive(Clone, Copy, Debug, ZeroCopySend)]
#[repr(C)]
struct Numbers {
    mark: u32,
    joint: u32,
    position: f64,
    velocity: f64,
}

impl Message for Numbers {
    fn of_mark(mark: u32) -> Numbers {
        Numbers {
            mark,
            joint: 0,
            position: 0.0,
            velocity: 0.0,
        }
    }

    fn mark(&self) -> u32 {
        self.mark
    }
}

/// A string.
#[derive(Clone, Copy, Debug, ZeroCopySend)]
#[repr(C)]
struct Text {
    mark: u32,
    length: u32,
    bytes: [u8; TEXT],
}

impl Message for Text {
    fn of_mark(mark: u32) -> Text {
        Text {
            mark,
            length: 0,
            bytes: [0; TEXT],
        }
    }

    fn mark(&self) -> u32 {
        self.mark
    }
}

type Service<M> =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, M, ()>;

fn service<M: Message>(node: &Node<ipc::Service>, name: &str) -> Service<M> {
    let name: ServiceName = name.try_into().expect("a name");
    let service = node.service_builder(&name).publish_subscribe::<M>();
    service
        .subscriber_max_buffer_size(QUEUE)
        .enable_safe_overflow(false)
        .history_size(0)
        .max_publishers(1)
        .max_subscribers(1)
        .open_or_create()
        .expect("a service")
}

struct Port<M: Message> {
    publisher: Publisher<ipc::Service, M, ()>,
    _node: Node<ipc::Service>,
    subscriber: Child,
    answers: BufReader<ChildStdout>,
    arrived: u64,
}

impl<M: Message> Port<M> {
    fn open(_: &Run, kind: &str) -> Port<M> {
        set_log_level(LogLevel::Error);
        let name = format!("{kind}-{}", std::process::id());
        let node = NodeBuilder::new().create().expect("a node");
        let service = service::<M>(&node, &name);
        let publisher = service
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .expect("a publisher");
        let mut subscriber = Command::new(std::env::current_exe().expect("this program"))
            .args(["subscribe", &name])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a subscriber");
        let mut answers = BufReader::new(subscriber.stdout.take().expect("a pipe"));
        hear(&mut answers);
        publisher.update_connections().expect("connected");
        Port {
            publisher,
            _node: node,
            subscriber,
            answers,
            arrived: 0,
        }
    }

    #[inline]
    fn send(&self, message: M) {
        let sample = self.publisher.loan_uninit().expect("room");
        sample.write_payload(message).send().expect("sent");
    }
}

fn hear(answers: &mut impl BufRead) -> u64 {
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    line.trim().parse().expect("a number")
}

impl<M: Message> Drop for Port<M> {
    fn drop(&mut self) {
        self.send(M::of_mark(END));
        self.subscriber.wait().expect("its end");
    }
}

impl<M: Message> Logger for Port<M>
where
    M: From<(u32, f64, f64)> + for<'a> From<&'a str>,
{
    #[inline]
    fn three(&mut self, n: u64) {
        self.send(M::from(three(n)));
    }

    fn literal(&mut self) {}

    #[inline]
    fn text(&mut self, text: &str) {
        self.send(M::from(text));
    }

    fn disabled(&mut self, _: u64) {}

    fn flush(&mut self, _: u64) {
        self.send(M::of_mark(HOW_MANY));
        self.arrived += hear(&mut self.answers);
    }

    fn arrived(&mut self, _: &Folder) -> u64 {
        self.arrived
    }

    fn pin(&mut self, cores: Cores) {
        pin_this_thread(cores.producer);
        pin_others(self.subscriber.id(), cores.consumer);
    }
}

impl From<(u32, f64, f64)> for Numbers {
    #[inline]
    fn from((joint, position, velocity): (u32, f64, f64)) -> Numbers {
        Numbers {
            mark: 0,
            joint,
            position,
            velocity,
        }
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Text {
        let mut bytes = [0; TEXT];
        let length = text.len().min(TEXT);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Text {
            mark: 0,
            length: length as u32,
            bytes,
        }
    }
}

impl From<(u32, f64, f64)> for Text {
    fn from(_: (u32, f64, f64)) -> Text {
        unreachable!("numbers have a type of their own")
    }
}

impl From<&str> for Numbers {
    fn from(_: &str) -> Numbers {
        unreachable!("text has a type of its own")
    }
}

/// The subscriber's whole life: it says how many messages came before each end.
pub fn subscribe(name: &str) {
    set_log_level(LogLevel::Error);
    match name.split_once('-') {
        Some(("text", _)) => receive::<Text>(name),
        _ => receive::<Numbers>(name),
    }
}

fn receive<M: Message>(name: &str) {
    let node = NodeBuilder::new().create().expect("a node");
    let service = service::<M>(&node, name);
    let subscriber = service.subscriber_builder().create();
    let subscriber = subscriber.expect("a subscriber");
    println!("0");
    let mut messages = 0_u64;
    loop {
        while let Some(message) = subscriber.receive().expect("received") {
            match message.mark() {
                HOW_MANY => println!("{}", std::mem::take(&mut messages)),
                END => return,
                _ => messages += 1,
            }
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}
