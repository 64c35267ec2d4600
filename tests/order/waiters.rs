//! Observers of those who wait on several shards: what is pushed to them nobody else ever sees, and they are served in their order.
use crate::client::{Client, request};
use crate::observers::{Arena, key};
use crate::resp::Reply;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

/// One name for all of them: each is slow, for who waits has to be waited for.
const SERVED: &str = "those who wait on several shards";

/// Starts them all.
pub(crate) fn spawn_all<'s>(arena: Arena<'s>, scope: &'s Scope<'s, '_>) {
    scope.spawn(move || hand_over(arena));
    scope.spawn(move || look_at_the_handed_over(arena));
    scope.spawn(move || serve_in_order(arena, &["BLPOP", "{1}", "{2}", "0"]));
    scope.spawn(move || serve_in_order(arena, &["BZPOPMIN", "{1}", "{2}", "0"]));
    scope.spawn(move || pass_on(arena));
    scope.spawn(move || serve_after_the_transaction(arena));
    scope.spawn(move || unblock_who_is_served(arena));
}

/// A client that waits until it is told to stop: its commands are sent by whoever watches it.
struct Waiter {
    client: Client,
    id: String,
}

impl Waiter {
    fn new(arena: Arena<'_>) -> Waiter {
        let mut client = arena.client();
        let id = client.call(&["CLIENT", "ID"]).number().to_string();
        Waiter { client, id }
    }

    /// Sends a command that waits, and returns when it does, or false when there is no time left.
    fn wait(&mut self, arena: Arena<'_>, watcher: &mut Client, command: &[&str]) -> bool {
        self.client.send_bytes(&request(&[command]));
        while arena.board.goes_on() {
            let Reply::Bulk(told) = watcher.call(&["CLIENT", "LIST", "ID", &self.id]) else {
                panic!("a list is a text")
            };
            if String::from_utf8_lossy(&told).contains(" flags=b ") {
                return true;
            }
        }
        false
    }
}

/// What is pushed while a move waits for it is never where it was pushed: not for who pushed it, nor for anybody else.
fn hand_over(arena: Arena<'_>) {
    let (mut client, mut mover) = (arena.client(), Waiter::new(arena));
    let mut round = 0;
    while arena.board.goes_on() {
        round += 1;
        let (from, to) = (key("handed", round % 2), key("handed over", round % 2 + 1));
        let command: &[&str] = match round % 3 {
            0 => &["BLMOVE", &from, &to, "LEFT", "RIGHT", "0"],
            1 => &["BRPOPLPUSH", &from, &to, "0"],
            _ => &["BLMPOP", "0", "2", &from, &to, "RIGHT"],
        };
        if !mover.wait(arena, &mut client, command) {
            return;
        }
        let text = round.to_string();
        // Without waiting, and one after another.
        let commands: [&[&str]; 3] =
            [&["RPUSH", &from, &text], &["LRANGE", &from, "0", "-1"], &["LLEN", &to]];
        let replies = if round % 2 == 0 {
            client.pipeline(&commands)
        } else {
            commands.iter().map(|command| client.call(command)).collect()
        };
        let arrived = i64::from(round % 3 != 2);
        let fits = replies[0] == Reply::Int(1)
            && replies[1] == Reply::Array(Vec::new())
            && replies[2] == Reply::Int(arrived);
        arena.board.saw(SERVED, fits, || format!("{command:?}: {replies:?}"));
        mover.client.receive();
        client.call(&["DEL", &to]);
    }
}

/// The others: the lists that are moved from are empty, always, and what is on its way is in one place at most.
fn look_at_the_handed_over(arena: Arena<'_>) {
    let mut client = arena.client();
    let mut round = 0;
    while arena.board.goes_on() {
        round += 1;
        let from = [key("handed", 0), key("handed", 1)];
        let to = [key("handed over", 1), key("handed over", 2)];
        let found = match round % 3 {
            0 => client.call(&["EXISTS", &from[0], &from[1]]).number(),
            1 => client.call(&["LLEN", &from[round / 3 % 2]]).number(),
            _ => {
                let lens = client.pipeline(&[
                    &["MULTI"],
                    &["LLEN", &from[0]],
                    &["LLEN", &to[0]],
                    &["LLEN", &from[1]],
                    &["LLEN", &to[1]],
                    &["EXEC"],
                ]);
                let lens: Vec<i64> = lens[5].items().iter().map(Reply::number).collect();
                lens[0] + lens[2] + (lens.iter().sum::<i64>() - 1).max(0)
            }
        };
        arena.board.saw("where moves wait", found == 0, || format!("{found} elements in round {round}"));
    }
}

/// Of several who wait at the same keys in another order, some of them at one only, the first is served with what was pushed
/// first, though it is pushed to another shard than what comes next, without waiting in between.
fn serve_in_order(arena: Arena<'_>, command: &[&str]) {
    let mut client = arena.client();
    let mut waiters = [Waiter::new(arena), Waiter::new(arena), Waiter::new(arena)];
    let is_list = command[0] == "BLPOP";
    let mut round = 0;
    while arena.board.goes_on() {
        round += 1;
        let names = [key(command[0], round), key(command[0], round + 1)];
        let commands: [&[&str]; 3] = [
            &[command[0], &names[0], &names[1], "0"],
            &[command[0], &names[1], "0"],
            &[command[0], &names[1], &names[0], "0"],
        ];
        let mut waiting = waiters.iter_mut().zip(commands);
        if !waiting.all(|(waiter, command)| waiter.wait(arena, &mut client, command)) {
            return;
        }
        let push = |name: &str, value: &str| {
            let words: &[&str] =
                if is_list { &["RPUSH", name, value] } else { &["ZADD", name, value, value] };
            request(&[words])
        };
        let bytes = [push(&names[1], "1"), push(&names[0], "2"), push(&names[1], "3")].concat();
        client.send_bytes(&bytes);
        let added = [client.receive(), client.receive(), client.receive()];
        let got: Vec<(Reply, Reply)> = waiters
            .iter_mut()
            .map(|waiter| {
                let reply = waiter.client.receive();
                (reply.items()[0].clone(), reply.items()[1].clone())
            })
            .collect();
        let text = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        // The second waits only where the third push goes: the third is served before.
        let wanted =
            [(text(&names[1]), text("1")), (text(&names[1]), text("3")), (text(&names[0]), text("2"))];
        let fits = got == wanted && added.iter().all(|reply| *reply == Reply::Int(1));
        arena.board.saw(SERVED, fits, || format!("{command:?} got {got:?}"));
    }
}

/// A move within a shard feeds one who waits on two others: nobody sees a step of it.
fn pass_on(arena: Arena<'_>) {
    let mut client = arena.client();
    let mut waiters = [Waiter::new(arena), Waiter::new(arena), Waiter::new(arena)];
    let (first, second) = (key("passed", 0), key("passed on", 0));
    let (third, fourth) = (key("passed on", 1), key("passed on", 2));
    let local = ["BLMOVE", &first, &second, "LEFT", "RIGHT", "0"];
    let over = ["BLMOVE", &second, &third, "LEFT", "RIGHT", "0"];
    let last = ["BLPOP", &fourth, &third, "0"];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = arena.client();
            while !stop.load(Ordering::SeqCst) {
                let seen = client.call(&["EXISTS", &first, &second, &third, &fourth]).number();
                arena.board.saw("what is passed on", seen == 0, || format!("{seen} lists"));
            }
        });
        let mut round = 0;
        while arena.board.goes_on() {
            round += 1;
            let commands: [&[&str]; 3] = match round % 3 {
                0 => [&local, &over, &last],
                1 => [&last, &over, &local],
                _ => [&over, &last, &local],
            };
            let mut waiting = waiters.iter_mut().zip(commands);
            if !waiting.all(|(waiter, command)| waiter.wait(arena, &mut client, command)) {
                break;
            }
            let text = round.to_string();
            let pushed = client.call(&["RPUSH", &first, &text]);
            let wanted = Reply::Bulk(text.into_bytes());
            let got: Vec<Reply> = waiters.iter_mut().map(|waiter| waiter.client.receive()).collect();
            let fits = pushed == Reply::Int(1)
                && got.iter().all(|reply| *reply == wanted || reply.items().get(1) == Some(&wanted));
            arena.board.saw(SERVED, fits, || format!("{got:?}"));
        }
        stop.store(true, Ordering::SeqCst);
    });
}

/// A transaction feeds both keys of one who waits: it is served after the whole of it, with the first of its keys, and what is left is there.
fn serve_after_the_transaction(arena: Arena<'_>) {
    let (mut client, mut waiter) = (arena.client(), Waiter::new(arena));
    let names = [key("fed", 0), key("fed", 1)];
    let mut round = 0;
    while arena.board.goes_on() {
        round += 1;
        if !waiter.wait(arena, &mut client, &["BLPOP", &names[0], &names[1], "0"]) {
            return;
        }
        let text = round.to_string();
        let push = format!(
            "redis.call('rpush', '{}', ARGV[1]) redis.call('rpush', '{}', ARGV[1]) \
             return {{redis.call('llen', '{}'), redis.call('llen', '{}')}}",
            names[1], names[0], names[0], names[1]
        );
        let lens = if round % 2 == 0 {
            let commands: [&[&str]; 6] = [
                &["MULTI"],
                &["RPUSH", &names[1], &text],
                &["RPUSH", &names[0], &text],
                &["LLEN", &names[0]],
                &["LLEN", &names[1]],
                &["EXEC"],
            ];
            client.pipeline(&commands)[5].items()[2..].to_vec()
        } else {
            client.call(&["EVAL", &push, "0", &text]).items().to_vec()
        };
        let left = client.pipeline(&[&["LLEN", &names[0]], &["LPOP", &names[1]]]);
        let got = waiter.client.receive();
        let fits = lens == [Reply::Int(1), Reply::Int(1)]
            && left[0] == Reply::Int(0)
            && left[1] == Reply::Bulk(text.clone().into_bytes())
            && got.items()[0] == Reply::Bulk(names[0].clone().into_bytes());
        arena.board.saw(SERVED, fits, || format!("{lens:?} {left:?} {got:?}"));
    }
}

/// Who is fed and unblocked at the same time gets what he waits for, or nothing, and whoever unblocked him knows which.
fn unblock_who_is_served(arena: Arena<'_>) {
    let (mut feeder, mut client, mut waiter) = (arena.client(), arena.client(), Waiter::new(arena));
    let mut round = 0;
    while arena.board.goes_on() {
        round += 1;
        let key = key("unblocked", round % 4);
        let command: &[&str] = if round % 2 == 0 {
            &["BLPOP", &key, "0"]
        } else {
            &["BLMPOP", "0", "2", &key, "unblocked: another", "LEFT"]
        };
        if !waiter.wait(arena, &mut client, command) {
            return;
        }
        feeder.send_bytes(&request(&[&["RPUSH", &key, "x"]]));
        client.send_bytes(&request(&[&["CLIENT", "UNBLOCK", &waiter.id]]));
        let (pushed, unblocked, got) = (feeder.receive(), client.receive(), waiter.client.receive());
        let left = client.call(&["DEL", &key]).number();
        let fits = match unblocked {
            Reply::Int(1) => got == Reply::NullArray && left == 1,
            Reply::Int(0) => got != Reply::NullArray && left == 0,
            _ => false,
        };
        arena.board.saw("who is unblocked while he is fed", fits && pushed == Reply::Int(1), || {
            format!("{command:?}: unblocked {unblocked:?}, got {got:?}, {left} left")
        });
    }
}
