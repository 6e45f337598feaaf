//! What happens when a customer asks: who calls whom, how long it takes, and what goes wrong now and then.

use siphon_core::otlp::{Span, SpanKind};

use super::span::{Exception, MS, Open, Trace, attribute};

/// A request that a task has served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Served {
    pub(super) task: usize,
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: i64,
    pub(super) seconds: f64,
}

/// One customer's request, played to its end.
pub(super) struct Story<'a> {
    random: &'a mut fastrand::Rng,
    trace: Trace,
    served: Vec<Served>,
    frontend: Option<usize>,
    checkout: Option<usize>,
    inventory: Option<usize>,
}

/// What a request leaves behind.
pub(super) struct Told {
    pub(super) spans: Vec<(usize, Span)>,
    pub(super) served: Vec<Served>,
}

/// What goes wrong with an order.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    CardDeclined,
    PaymentsThrottle,
    DatabaseTimeout,
}

/// A call over HTTP, as both sides see it.
struct Call {
    method: &'static str,
    route: &'static str,
    path: String,
    host: &'static str,
}

impl<'a> Story<'a> {
    /// `staff`: the tasks that serve it, of frontend, checkout and inventory. `now`: Unix nanoseconds, the end.
    pub(super) fn play(staff: [Option<usize>; 3], random: &'a mut fastrand::Rng, now: u64) -> Told {
        let [frontend, checkout, inventory] = staff;
        let trace = Trace::new(random, now);
        let mut story = Self { random, trace, served: Vec::new(), frontend, checkout, inventory };
        if story.random.u8(..100) < 64 {
            story.browse();
        } else {
            story.order();
        }
        Told { spans: story.trace.finish(now), served: story.served }
    }

    fn browse(&mut self) {
        let Some(task) = self.frontend else { return };
        let product = self.random.u32(100..999);
        let call = Call {
            method: "GET",
            route: "/products/{id}",
            path: format!("/products/{product}"),
            host: "shop.example.com",
        };
        let server = self.serve(task, None, &call, 0);
        let at = self.millis(1, 3);
        let (at, status) = self.stock(task, server, product, at, Trouble::None);
        let end = self.render(task, server, at);
        self.answer(task, server, &call, (0, end), status);
    }

    fn order(&mut self) {
        let Some(task) = self.frontend else { return };
        let call =
            Call { method: "POST", route: "/orders", path: "/orders".into(), host: "shop.example.com" };
        let server = self.serve(task, None, &call, 0);
        let at = self.millis(1, 4);
        let inner = Call { host: "checkout.shop.local", ..call };
        let client = self.call(task, server, &inner, at);
        let (at, status) = match self.checkout {
            Some(other) => {
                let arrival = at + self.hop();
                self.check_out(other, client, &inner, arrival)
            }
            None => (at + self.millis(30, 60), 200),
        };
        let at = at + self.hop();
        self.hang_up(client, at, status);
        let end = at + self.millis(1, 2);
        self.answer(task, server, &Call { host: "shop.example.com", ..inner }, (0, end), status);
    }

    fn check_out(&mut self, task: usize, parent: Open, call: &Call, start: u64) -> (u64, i64) {
        let trouble = match self.random.u8(..100) {
            0..7 => Trouble::CardDeclined,
            7..10 => Trouble::PaymentsThrottle,
            10..13 => Trouble::DatabaseTimeout,
            _ => Trouble::None,
        };
        let server = self.serve(task, Some(parent), call, start);
        let at = start + self.millis(1, 2);
        let at = self.price(task, server, at);
        let product = self.random.u32(100..999);
        let (at, status) = self.stock(task, server, product, at, trouble);
        let (at, status) = if status == 200 { self.pay(task, server, at, trouble) } else { (at, status) };
        let at = if status == 200 { self.remember_order(task, server, at) } else { at };
        let end = at + self.millis(1, 3);
        self.answer(task, server, call, (start, end), status);
        (end, status)
    }

    /// An internal step.
    fn price(&mut self, task: usize, parent: Open, at: u64) -> u64 {
        let end = at + self.millis(2, 9);
        let span = self.trace.open(task, Some(parent), SpanKind::Internal, "price cart", at);
        let items = i64::from(self.random.u8(1..9));
        self.trace
            .tell(span, [attribute("cart.items", items), attribute("cart.value", self.random.f64() * 200.0)]);
        self.trace.close(span, end);
        end
    }

    fn render(&mut self, task: usize, parent: Open, at: u64) -> u64 {
        let end = at + self.millis(2, 12);
        let span = self.trace.open(task, Some(parent), SpanKind::Internal, "render page", at);
        self.trace.tell(span, [attribute("page.template", "product")]);
        self.trace.close(span, end);
        end
    }

    /// Asks the inventory, which asks its database.
    fn stock(&mut self, task: usize, parent: Open, product: u32, at: u64, trouble: Trouble) -> (u64, i64) {
        let call = Call {
            method: "GET",
            route: "/stock/{id}",
            path: format!("/stock/{product}"),
            host: "inventory.shop.local",
        };
        let client = self.call(task, parent, &call, at);
        let (end, status) = match self.inventory {
            Some(other) => {
                let arrival = at + self.hop();
                self.look_up(other, client, &call, arrival, trouble)
            }
            None => (at + self.millis(4, 20), 200),
        };
        let end = end + self.hop();
        self.hang_up(client, end, status);
        (end, status)
    }

    fn look_up(
        &mut self,
        task: usize,
        parent: Open,
        call: &Call,
        start: u64,
        trouble: Trouble,
    ) -> (u64, i64) {
        let server = self.serve(task, Some(parent), call, start);
        let at = start + self.millis(1, 2);
        let timed_out = trouble == Trouble::DatabaseTimeout;
        let end = at + if timed_out { self.millis(300, 320) } else { self.millis(2, 18) };
        let sql = self.trace.open(task, Some(server), SpanKind::Client, "SELECT shop.stock", at);
        self.trace.tell(
            sql,
            [
                attribute("db.system", "postgresql"),
                attribute("db.name", "shop"),
                attribute("db.connection_string", "db.shop.local:5432"),
                attribute("db.user", "inventory"),
                attribute("db.statement", "SELECT id, on_hand, reserved FROM stock WHERE id = $1"),
                attribute("db.operation", "SELECT"),
                attribute("server.address", "db.shop.local"),
                attribute("server.port", 5432),
            ],
        );
        let status = if timed_out {
            let exception = Exception {
                kind: "java.sql.SQLTimeoutException",
                message: "statement cancelled after 300 ms".into(),
                file: "StockTable",
            };
            self.trace.fail(sql, end, &exception);
            self.trace.fail(server, end, &exception);
            500
        } else if self.random.u8(..100) < 3 {
            404
        } else {
            200
        };
        self.trace.close(sql, end);
        let end = end + self.millis(1, 2);
        self.answer(task, server, call, (start, end), status);
        (end, status)
    }

    /// A call to a service that is not ours.
    fn pay(&mut self, task: usize, parent: Open, at: u64, trouble: Trouble) -> (u64, i64) {
        let call = Call {
            method: "POST",
            route: "/v1/charges",
            path: "/v1/charges".into(),
            host: "payments.example.com",
        };
        let client = self.call(task, parent, &call, at);
        let end = at + self.millis(18, 90);
        let status = match trouble {
            Trouble::CardDeclined => 402,
            Trouble::PaymentsThrottle => 429,
            Trouble::None | Trouble::DatabaseTimeout => 200,
        };
        self.hang_up(client, end, status);
        if trouble == Trouble::CardDeclined {
            let exception = Exception {
                kind: "com.example.shop.CardDeclined",
                message: "the bank declined the card".into(),
                file: "Payment",
            };
            self.trace.fail(parent, end, &exception);
        }
        (end, status)
    }

    /// A call to AWS.
    fn remember_order(&mut self, task: usize, parent: Open, at: u64) -> u64 {
        let end = at + self.millis(3, 11);
        let span = self.trace.open(task, Some(parent), SpanKind::Client, "DynamoDB.PutItem", at);
        self.trace.tell(
            span,
            [
                attribute("rpc.system", "aws-api"),
                attribute("rpc.service", "DynamoDb"),
                attribute("rpc.method", "PutItem"),
                attribute("aws.region", crate::aws::REGION),
                attribute("aws.table_name", "orders"),
                attribute("aws.request_id", format!("{:026X}", self.random.u128(..) >> 24)),
                attribute("http.response.status_code", 200),
            ],
        );
        self.trace.close(span, end);
        end
    }

    fn serve(&mut self, task: usize, parent: Option<Open>, call: &Call, at: u64) -> Open {
        let Call { method, route, path, host } = call;
        let span = self.trace.open(task, parent, SpanKind::Server, format!("{method} {route}"), at);
        let visitor = format!("198.51.100.{}", self.random.u8(1..255));
        self.trace.tell(
            span,
            [
                attribute("http.request.method", *method),
                attribute("http.route", *route),
                attribute("url.path", path.as_str()),
                attribute("url.scheme", "http"),
                attribute("server.address", *host),
                attribute("client.address", visitor),
                attribute("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
            ],
        );
        span
    }

    fn answer(&mut self, task: usize, span: Open, call: &Call, (start, end): (u64, u64), status: i64) {
        self.trace.tell(span, [attribute("http.response.status_code", status)]);
        self.trace.close(span, end);
        #[expect(clippy::cast_precision_loss, reason = "some hundred milliseconds")]
        let seconds = (end - start) as f64 / 1e9;
        self.served.push(Served { task, method: call.method, route: call.route, status, seconds });
    }

    fn call(&mut self, task: usize, parent: Open, call: &Call, at: u64) -> Open {
        let Call { method, path, host, .. } = call;
        let span = self.trace.open(task, Some(parent), SpanKind::Client, *method, at);
        self.trace.tell(
            span,
            [
                attribute("http.request.method", *method),
                attribute("url.full", format!("http://{host}{path}")),
                attribute("server.address", *host),
            ],
        );
        span
    }

    fn hang_up(&mut self, span: Open, at: u64, status: i64) {
        self.trace.tell(span, [attribute("http.response.status_code", status)]);
        self.trace.close(span, at);
    }

    /// One way over the network.
    fn hop(&mut self) -> u64 {
        self.random.u64(MS / 5..MS)
    }

    /// Mostly near `least`, seldom near `most`.
    fn millis(&mut self, least: u64, most: u64) -> u64 {
        let spread = (most - least) * MS;
        let skewed = self.random.u64(..=spread).min(self.random.u64(..=spread));
        least * MS + skewed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use siphon_core::otlp::StatusCode;

    use super::*;

    const NOW: u64 = 1_795_000_000_000_000_000;

    #[test]
    fn every_story_is_one_tree_that_ends_now() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let told = Story::play([Some(0), Some(1), Some(2)], &mut random, NOW);
            let by_id: HashMap<_, _> = told.spans.iter().map(|(_, span)| (&span.span_id, span)).collect();
            assert_eq!(by_id.len(), told.spans.len(), "ids are unique");
            let roots = told.spans.iter().filter(|(_, span)| span.parent_span_id.is_empty()).count();
            assert_eq!(roots, 1);
            for (_, span) in &told.spans {
                assert!(
                    span.start_time_unix_nano < span.end_time_unix_nano && span.end_time_unix_nano <= NOW
                );
                assert_eq!(&span.trace_id[..4], (1_795_000_000_u32).to_be_bytes());
                if let Some(parent) = by_id.get(&span.parent_span_id) {
                    assert!(span.start_time_unix_nano >= parent.start_time_unix_nano, "{}", span.name);
                    assert!(span.end_time_unix_nano <= parent.end_time_unix_nano, "{}", span.name);
                } else {
                    assert!(span.parent_span_id.is_empty(), "{} has a parent of another trace", span.name);
                }
            }
            assert!(told.spans.iter().any(|(_, span)| span.end_time_unix_nano == NOW));
        }
    }

    #[test]
    fn things_go_wrong_now_and_then() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut statuses, mut exceptions) = (HashMap::<i64, u32>::new(), 0);
        for _ in 0..1000 {
            let told = Story::play([Some(0), Some(1), Some(2)], &mut random, NOW);
            for served in &told.served {
                *statuses.entry(served.status).or_default() += 1;
            }
            let failed =
                |span: &Span| span.status.as_ref().is_some_and(|s| s.code == StatusCode::Error as i32);
            exceptions += told.spans.iter().filter(|(_, s)| failed(s) && s.events.len() == 1).count();
        }
        for status in [200, 402, 404, 429, 500] {
            assert!(statuses.contains_key(&status), "{status}: {statuses:?}");
        }
        assert!(statuses[&200] > 10 * statuses[&500] && exceptions > 10);
    }

    #[test]
    fn a_shop_with_one_task_serves_too() {
        let mut random = fastrand::Rng::with_seed(7);
        let told = Story::play([Some(0), None, None], &mut random, NOW);
        assert!(told.spans.iter().all(|(task, _)| *task == 0) && told.spans.len() > 1);
    }
}
