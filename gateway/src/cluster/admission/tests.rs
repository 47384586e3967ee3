#![allow(clippy::unwrap_used)]

use commutator_plugins::units::HumanDuration;
use futures::FutureExt;
use futures::future::select;
use parking_lot::Mutex;

use super::*;
use crate::cluster::config::QueueConfig;

fn admission(max_in_flight: u32, queue: u32, deadline: Duration) -> Arc<Admission> {
    Arc::new(Admission::new(&LimitsConfig {
        max_in_flight: Some(max_in_flight),
        queue: QueueConfig {
            max: queue,
            deadline: HumanDuration(deadline),
        },
    }))
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn without_a_limit_everybody_is_let_in_and_counted() {
    let admission = Arc::new(Admission::new(&LimitsConfig::default()));
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(admission.admit(|_| ()).await.unwrap());
    }
    assert_eq!(admission.in_flight(), 100);
    drop(held);
    assert_eq!(admission.in_flight(), 0);
}

#[tokio::test]
async fn waiting_requests_are_let_in_in_their_order() {
    let admission = admission(1, 10, LONG);
    let order = Arc::new(Mutex::new(Vec::new()));
    let first = admission.admit(|_| ()).await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..5 {
        let (queue, order) = (Arc::clone(&admission), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let place = queue.admit(|_| ()).await.unwrap();
            order.lock().push(number);
            place.waited()
        }));
        while admission.waiting() < number + 1 {
            tokio::task::yield_now().await;
        }
    }
    assert!(order.lock().is_empty());
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(first);
    for task in tasks {
        assert!(task.await.unwrap() >= Duration::from_millis(20));
    }
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
    assert_eq!((admission.in_flight(), admission.waiting()), (0, 0));
}

#[tokio::test]
async fn a_full_queue_turns_away_at_once() {
    let admission = admission(1, 1, LONG);
    let _first = admission.admit(|_| ()).await.unwrap();
    let second = admission.admit(|_| ());
    tokio::pin!(second);
    assert!(second.as_mut().now_or_never().is_none());
    let third = admission.admit(|_| ()).await;
    assert_eq!(third.unwrap_err(), Rejected::QueueFull);
}

#[tokio::test]
async fn without_a_queue_nobody_waits() {
    let admission = admission(1, 0, LONG);
    let _first = admission.admit(|_| ()).await.unwrap();
    let second = admission.admit(|_| ()).await;
    assert_eq!(second.unwrap_err(), Rejected::QueueFull);
}

#[tokio::test]
async fn the_deadline_ends_the_wait() {
    let admission = admission(1, 1, Duration::from_millis(30));
    let first = admission.admit(|_| ()).await.unwrap();
    let second = admission.admit(|_| ()).await;
    assert_eq!(second.unwrap_err(), Rejected::Deadline);
    assert_eq!(admission.waiting(), 0);
    drop(first);
    assert!(admission.admit(|_| ()).await.is_ok());
}

#[tokio::test]
async fn a_dropped_request_leaves_the_queue_at_once() {
    let admission = admission(1, 1, LONG);
    let first = admission.admit(|_| ()).await.unwrap();
    let seen = Mutex::new(Vec::new());
    {
        let gone = Box::pin(admission.admit(|n| seen.lock().push(n)));
        // The client leaves while its request waits.
        select(gone, futures::future::ready(())).await;
    }
    assert_eq!(*seen.lock(), [1, 0]);
    // Its place in the queue is free, and the next place in the cluster goes to who waits now.
    let next = admission.admit(|_| ());
    tokio::pin!(next);
    assert!(next.as_mut().now_or_never().is_none());
    drop(first);
    assert!(next.await.is_ok());
}
