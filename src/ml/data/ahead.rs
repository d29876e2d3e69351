//! Items made ahead of their use, on a thread of their own.

use std::sync::mpsc::sync_channel;
use std::thread;

/// Runs `body` with `items`, in their order. Another thread makes the items ahead: it makes the next one while at most
/// `waiting` others lie ready. When `body` ends, that thread makes no more.
///
/// # Panics
/// Making an item panicked.
pub fn ahead<T: Send, R>(
    items: impl Iterator<Item = T> + Send,
    waiting: usize,
    body: impl FnOnce(&mut dyn Iterator<Item = T>) -> R,
) -> R {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(waiting);
        scope.spawn(move || {
            for item in items {
                if sender.send(item).is_err() {
                    break;
                }
            }
        });
        body(&mut receiver.into_iter())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn items_keep_their_order_and_few_are_ahead() {
        let made = AtomicUsize::new(0);
        let items = (0..1000).inspect(|_| {
            made.fetch_add(1, Ordering::SeqCst);
        });
        let taken: Vec<i32> = ahead(items, 2, |items| {
            // Two wait, and the third is in the maker's hand.
            while made.load(Ordering::SeqCst) < 3 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(20));
            assert_eq!(made.load(Ordering::SeqCst), 3);
            items.take(50).collect()
        });
        assert_eq!(taken, (0..50).collect::<Vec<_>>());
        assert!(made.load(Ordering::SeqCst) <= 54);
        assert_eq!(ahead(0..3, 0, |items| items.sum::<i32>()), 3);
    }

    #[test]
    fn a_panic_of_the_maker_is_passed_on() {
        let items = (0..3).map(|i| if i == 2 { panic!("made badly") } else { i });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ahead(items, 1, |items| items.count())));
        assert!(ended.is_err());
    }
}
