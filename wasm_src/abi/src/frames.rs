//! Requests and replies as frames back to back, each a length (u32, little endian) and a MessagePack body.

use serde::{Deserialize, Serialize};

use crate::{Fault, Outcome, Place, Reply, progress};

/// A function that answers one item: it takes the bytes of the arguments and writes one frame of the reply.
pub type Item = fn(&[u8], &mut Reply);

const LENGTH_BYTES: usize = 4;

/// Decodes one item's arguments, runs its operation and writes its frame.
pub fn item<'a, Args, Value>(arguments: &'a [u8], reply: &mut Reply, run: impl FnOnce(Args) -> Outcome<Value>)
where
    Args: Deserialize<'a>,
    Value: Serialize,
{
    let outcome = match rmp_serde::from_slice::<Args>(arguments) {
        Ok(args) => run(args),
        Err(error) => Err(Fault::invalid_arguments(error.to_string())),
    };
    match outcome {
        Ok(value) => {
            if !reply.frame(|frame| encode(frame, &(0u8, &value))) {
                fail(reply, &Fault::output_too_large("the result does not fit in one reply"));
            }
        }
        Err(fault) => fail(reply, &fault),
    }
}

pub(crate) fn answer(request: &[u8], run: Item, reply: &mut Reply) {
    reply.clear();
    let mut rest = request;
    let mut index = 0;
    while !rest.is_empty() {
        progress::start_item(index);
        let Some((arguments, after)) = split(rest) else {
            let at = Place::byte(request.len() - rest.len());
            return fail(
                reply,
                &Fault::invalid_arguments("the request ends within a frame").at(at),
            );
        };
        run(arguments, reply);
        rest = after;
        index += 1;
    }
}

fn split(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = request.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn fail(reply: &mut Reply, fault: &Fault) {
    // A fault is a few strings, so it always encodes; were its frame missing, the host would report an error.
    let _ = reply.frame(|frame| encode(frame, &(1u8, fault.code, &fault.message, fault.place)));
}

fn encode(frame: &mut Reply, value: &impl Serialize) -> bool {
    value
        .serialize(&mut rmp_serde::Serializer::new(frame).with_struct_map())
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_le_bytes()[..], body].concat()
    }

    fn double(arguments: &[u8], reply: &mut Reply) {
        item(arguments, reply, |(number,): (u32,)| match number {
            0 => Err(Fault::invalid_arguments("zero").at(Place::byte(3))),
            _ => Ok(number * 2),
        });
    }

    fn answers(request: &[u8]) -> Vec<u8> {
        let mut reply = Reply::new();
        answer(request, double, &mut reply);
        reply.as_slice().to_vec()
    }

    #[test]
    fn every_item_gets_a_frame_of_its_own() {
        let request = [frame(&[0x91, 4]), frame(&[0x91, 5])].concat();
        assert_eq!(
            answers(&request),
            [frame(&[0x92, 0, 8]), frame(&[0x92, 0, 10])].concat()
        );
    }

    #[test]
    fn a_fault_carries_its_place_and_leaves_the_next_item_alone() {
        let reply = answers(&[frame(&[0x91, 0]), frame(&[0x91, 1])].concat());
        let (first, rest) = split(&reply).expect("two frames");
        let fault: (u8, String, String, std::collections::HashMap<String, usize>) =
            rmp_serde::from_slice(first).expect("a fault");
        assert_eq!(
            (fault.0, fault.1.as_str(), fault.2.as_str(), fault.3["offset"]),
            (1, "InvalidArguments", "zero", 3)
        );
        assert_eq!(rest, frame(&[0x92, 0, 2]));
    }

    #[test]
    fn arguments_that_do_not_decode_fail_alone() {
        for body in [&[0x91, 0xA1, b'x'][..], &[0xC1], &[0x92, 1, 2], &[]] {
            let reply = answers(&[frame(body), frame(&[0x91, 1])].concat());
            let (first, rest) = split(&reply).expect("two frames");
            assert_eq!(first[..2], [0x94, 1], "{body:?}");
            assert_eq!(rest, frame(&[0x92, 0, 2]));
        }
    }

    #[test]
    fn a_request_that_ends_within_a_frame_is_refused_there() {
        let reply = answers(&[frame(&[0x91, 4]), vec![9, 0, 0, 0, 1]].concat());
        let (_, rest) = split(&reply).expect("two frames");
        assert_eq!(rest[4..6], [0x94, 1]);
    }
}
