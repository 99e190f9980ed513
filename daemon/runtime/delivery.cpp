#include "flowrelay/runtime/delivery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>

#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/event.hpp"
#include "flowrelay/core/server_message.hpp"
#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

constexpr auto watch_interval = std::chrono::milliseconds(100);

// Bodies up to this size are copied after the head of the request.
constexpr std::size_t joined_body = 8 * 1024;

// Capacity that a worker keeps for its requests.
constexpr std::size_t kept_capacity = 64 * 1024;

/// A destination and what is needed to post to it.
struct Delivery::Target {
    Destination destination;
    std::shared_ptr<TlsContext> tls;
    http::PostWriter writer;
};

struct Delivery::Worker {
    Worker(const asio::any_io_executor& io, Delivery& delivery) : wake(io) { aim(io, delivery); }

    /// Switches to the delivery's current target. Not to be called during a request.
    void aim(const asio::any_io_executor& io, Delivery& delivery) {
        if (target == delivery.target_) return;
        client.reset();  // the client refers to the old target
        target = delivery.target_;
        client.emplace(io, target->destination, target->tls.get(), delivery.resolver_,
                       delivery.engine_.clock());
        client->set_condition([this, &delivery] { return delivery.may_send(*this); });
    }

    /// Frees the memory of a large event, which an idle connection must not keep.
    void forget_request() {
        for (std::string* text : {&body, &request}) {
            text->clear();
            if (text->capacity() > kept_capacity) text->shrink_to_fit();
        }
        rest = {};
        client->forget_answer();
    }

    std::shared_ptr<const Target> target;
    std::optional<HttpClient> client;
    asio::steady_timer wake;
    std::optional<core::Assignment> assignment;
    const core::ProblemReport* report = nullptr;  ///< set in reporter_ instead of an assignment
    const core::SourceCheck* check = nullptr;     ///< set in checker_
    std::optional<Engine::Outgoing> outgoing;     ///< the event to post
    std::string body;                             ///< beginning of the event's body
    std::string request;
    std::string_view rest;  ///< rest of a large body, sent after `request`; stays in the record
};

namespace {

std::string target_of(const Destination& destination, const std::string& path) {
    // A request for plain http through a proxy has the absolute URI (RFC 9112, section 3.2.2).
    return destination.proxy && !destination.tls
               ? fmt::format("http://{}{}", destination.authority, path)
               : path;
}

/// Returns the Proxy-Authorization field for plain http, where each request needs it. With a tunnel
/// only CONNECT has it.
std::string proxy_field(const Destination& destination) {
    if (!destination.proxy || destination.tls) return "";
    const Secret& authorization = destination.proxy->authorization;
    if (authorization.empty()) return "";
    return fmt::format("Proxy-Authorization: {}\r\n", authorization.reveal());
}

}  // namespace

Delivery::Delivery(asio::any_io_executor io, Engine& engine, Destination destination,
                   std::shared_ptr<TlsContext> tls, DeliveryOptions options)
    : io_(io),
      engine_(engine),
      options_(std::move(options)),
      resolver_(io),
      wakeup_(io, asio::steady_timer::time_point::max()),
      watch_(io),
      ended_(io, asio::steady_timer::time_point::max()) {
    retarget(std::move(destination), std::move(tls));
}

Delivery::~Delivery() = default;

void Delivery::retarget(Destination destination, std::shared_ptr<TlsContext> tls) {
    http::PostWriter writer(destination.authority, target_of(destination, destination.target),
                            options_.user_agent, proxy_field(destination));
    target_ = std::make_shared<const Target>(
        Target{std::move(destination), std::move(tls), std::move(writer)});
    for (Worker* worker : idle_) worker->aim(io_, *this);
}

std::size_t Delivery::connections() const noexcept {
    std::size_t count = 0;
    for (const auto& worker : workers_) count += worker->client->connected() ? 1 : 0;
    for (const Worker* beside : {reporter_.get(), checker_.get()}) {
        count += beside != nullptr && beside->client->connected() ? 1 : 0;
    }
    return count;
}

void Delivery::start() {
    engine_.set_work_listener([this] { pump(); });
    engine_.set_check_listener([this] { begin_check(); });
    running_ += 2;
    spawn(io_, tick());
    spawn(io_, watch_deadlines());
    engine_.tick();
    pump();
}

// Assigns events to idle workers, and to new ones up to the limit. Returns true if a worker was
// free but no event was ready; the wake-up is then armed. It is not armed while all workers are
// busy: a worker that finishes asks for more.
bool Delivery::pump() {
    const auto has_worker = [this] {
        return !stopping_ && (!idle_.empty() || workers_.size() < options_.max_connections);
    };
    if (!has_worker()) return false;
    const Now now = engine_.clock().now();
    while (has_worker()) {
        auto assignment = engine_.next(now);
        if (!assignment) {
            arm_wakeup(now);
            return true;
        }
        if (idle_.empty()) hire();
        Worker& worker = *idle_.back();
        idle_.pop_back();
        worker.assignment = *assignment;
        ++busy_;
        if (!std::exchange(watching_, true)) watch_.cancel();
        worker.wake.cancel();
    }
    return false;
}

void Delivery::hire() {
    auto& worker = *workers_.emplace_back(std::make_unique<Worker>(io_, *this));
    idle_.push_back(&worker);
    ++running_;
    spawn(io_, work(worker));
}

// `looked_at`: the time for which the scheduler last returned no event although a worker was free.
// Events that become ready after that time must wake tick(), even if that is in the past by now:
// asked with a later time, the scheduler would not report them, because they are ready already, and
// no worker would fetch them.
void Delivery::arm_wakeup(Now looked_at) {
    const MonoTime soonest = engine_.clock().now().mono + Milliseconds(1);
    const auto at = std::max(engine_.next_wakeup(looked_at).value_or(MonoTime::max()), soonest);
    if (at != wakeup_.expiry()) wakeup_.expires_at(at);  // wakes tick(), which then waits again
}

asio::awaitable<void> Delivery::tick() {
    while (!stopping_) {
        co_await wakeup_.async_wait(asio::as_tuple(asio::deferred));
        if (stopping_) break;
        if (engine_.clock().now().mono < wakeup_.expiry()) continue;
        wakeup_.expires_at(MonoTime::max());
        engine_.tick();
        begin_report();
        begin_check();
        if (!pump()) arm_wakeup(engine_.clock().now());
    }
    if (--running_ == 0) ended_.cancel();
}

// One timer checks the deadlines of all connections, since a timer for each operation would cost
// more than the operation. It is idle while there is no request.
asio::awaitable<void> Delivery::watch_deadlines() {
    while (!stopping_ || busy_ > 0) {
        watching_ = busy_ > 0;
        watch_.expires_at(watching_ ? engine_.clock().now().mono + watch_interval
                                    : asio::steady_timer::time_point::max());
        co_await watch_.async_wait(asio::as_tuple(asio::deferred));
        const MonoTime now = engine_.clock().now().mono;
        for (const auto& worker : workers_) worker->client->check_deadline(now);
        if (reporter_) reporter_->client->check_deadline(now);
        if (checker_) checker_->client->check_deadline(now);
        // Nothing else arms the wake-up while all workers are busy.
        if (!stopping_ && busy_ > 0 && !pump()) arm_wakeup(engine_.clock().now());
    }
    if (--running_ == 0) ended_.cancel();
}

asio::awaitable<void> Delivery::work(Worker& worker) {
    while (true) {
        co_await wait_for_work(worker);
        if (!worker.assignment) break;
        while (worker.assignment) {
            auto cached = engine_.take_cached(worker.assignment->seq);
            if (cached) {
                prepare(worker, std::move(*cached));
            } else {
                auto read = co_await engine_.read(worker.assignment->seq);
                prepare(worker, std::move(read));
            }
            if (worker.outgoing) {
                const HttpClient::Request request(worker.request, worker.rest);
                auto result = co_await worker.client->post(request);
                if (is_in_doubt(worker, result) && aborting_) {
                    result.end = core::AttemptEnd::broken_response;
                } else if (is_in_doubt(worker, result)) {
                    auto confirmed =
                        co_await worker.client->post(request, HttpClient::Connection::fresh);
                    confirmed.sent_before = true;
                    result = std::move(confirmed);
                }
                const Now now = engine_.clock().now();
                posted(worker, std::move(result), now);
                take_next(worker, now);
            } else {
                take_next(worker, engine_.clock().now());
            }
            if (worker.assignment) pump();  // there may be events for other workers as well
        }
        --busy_;
        idle_.push_back(&worker);
        pump();
    }
    worker.client->close();
    if (--running_ == 0) ended_.cancel();
}

asio::awaitable<void> Delivery::wait_for_work(Worker& worker) {
    while (!stopping_ && !worker.assignment) {
        if (worker.client->connected()) {
            worker.wake.expires_at(worker.client->kept_until());
        } else {
            worker.wake.expires_at(asio::steady_timer::time_point::max());
        }
        const auto [cancelled] = co_await worker.wake.async_wait(asio::as_tuple(asio::deferred));
        if (!cancelled && !worker.assignment) worker.client->close();
    }
}

/// Builds the request for a worker's event. Builds none if the event should no longer be posted.
void Delivery::prepare(Worker& worker, Result<core::EventRecord>&& event) {
    if (aborting_) {
        worker.outgoing.reset();
        engine_.release(*worker.assignment);
        return;
    }
    worker.outgoing = engine_.prepare(*worker.assignment, std::move(event));
    if (!worker.outgoing) return;
    const core::EventRecord& record = worker.outgoing->record;
    worker.aim(io_, *this);
    worker.body.clear();
    worker.request.clear();
    worker.rest =
        core::append_post_begin(worker.body, worker.outgoing->token, record.id, record.body);
    worker.target->writer.append_head(worker.request, record.id,
                                      worker.body.size() + worker.rest.size());
    worker.request += worker.body;
    // Sending two pieces costs more than copying a small body.
    if (worker.rest.size() > joined_body) return;
    worker.request += worker.rest;
    worker.rest = {};
}

// A 410 erases everything that is queued for the token, so it must be the answer to this request.
// On a connection that has carried other requests, it may be a second answer to one of those.
bool Delivery::is_in_doubt(const Worker& worker, const core::AttemptResult& result) {
    return result.end == core::AttemptEnd::response && result.status == 410 &&
           worker.client->answered_on_kept();
}

void Delivery::take_next(Worker& worker, Now now) {
    worker.assignment = stopping_ ? std::nullopt : engine_.next(now);
}

// The target may have changed since the request was built, by a reload while the worker connected.
bool Delivery::may_send(const Worker& worker) const {
    if (worker.target != target_) return false;
    if (worker.report != nullptr) return engine_.may_be_sent(*worker.report);
    if (worker.check != nullptr) return engine_.may_be_sent(*worker.check);
    return worker.assignment && engine_.may_be_sent(*worker.assignment);
}

void Delivery::posted(Worker& worker, core::AttemptResult&& result, Now now) {
    if (result.end == core::AttemptEnd::withdrawn) {
        worker.forget_request();
        engine_.withdraw(*worker.assignment, std::move(worker.outgoing->record),
                         result.sent_before);
        worker.outgoing.reset();
        return;
    }
    if (aborting_ && result.end != core::AttemptEnd::response) {
        engine_.release(*worker.assignment);
        return;
    }
    describe_answer(worker, worker.outgoing->token, result);
    worker.forget_request();
    engine_.attempted(*worker.assignment, std::move(worker.outgoing->record), result, now);
    worker.outgoing.reset();
}

void Delivery::begin_report() {
    auto outgoing = engine_.next_report();
    if (!outgoing) return;
    reporter_ = std::make_unique<Worker>(io_, *this);
    ++running_;
    ++busy_;
    if (!std::exchange(watching_, true)) watch_.cancel();
    spawn(io_, report(std::move(*outgoing)));
}

asio::awaitable<void> Delivery::report(Engine::OutgoingReport outgoing) {
    Worker& worker = *reporter_;
    worker.report = &outgoing.report;
    const Destination& destination = worker.target->destination;
    core::append_report_body(worker.body, outgoing.token, outgoing.report.message);
    http::append_put(worker.request, destination.authority,
                     target_of(destination, destination.sources_target), options_.user_agent,
                     proxy_field(destination), worker.body);
    auto result = co_await worker.client->post(worker.request);
    const bool withdrawn = result.end == core::AttemptEnd::withdrawn;
    if (withdrawn || (stopping_ && result.end != core::AttemptEnd::response)) {
        engine_.release_report(outgoing.report);
    } else {
        describe_answer(worker, outgoing.token, result);
        engine_.end_report(outgoing.report, result);
    }
    worker.client->close();
    reporter_.reset();
    --busy_;
    pump();
    if (--running_ == 0) ended_.cancel();
}

void Delivery::begin_check() {
    if (stopping_ || checker_) return;
    auto outgoing = engine_.next_check();
    if (!outgoing) return;
    checker_ = std::make_unique<Worker>(io_, *this);
    ++running_;
    ++busy_;
    if (!std::exchange(watching_, true)) watch_.cancel();
    spawn(io_, check(std::move(*outgoing)));
}

// The API requires the token in the URL. The URL is written to the connection and nowhere else.
asio::awaitable<void> Delivery::check(Engine::OutgoingCheck outgoing) {
    Worker& worker = *checker_;
    worker.check = &outgoing.check;
    const Destination& destination = worker.target->destination;
    const std::string token = http::url_encode(outgoing.token.reveal());
    const std::string path = fmt::format("{}?flow_token={}", destination.sources_target, token);
    http::append_get(worker.request, destination.authority, target_of(destination, path),
                     options_.user_agent, proxy_field(destination));
    auto result = co_await worker.client->post(worker.request);
    // A 410 erases all data of the source, so it must be confirmed by a second request.
    const bool says_gone = result.end == core::AttemptEnd::response && result.status == 410;
    const bool unconfirmed = says_gone && stopping_;
    if (says_gone && !stopping_) {
        auto confirmed =
            co_await worker.client->post(worker.request, HttpClient::Connection::fresh);
        result = std::move(confirmed);
    }
    const bool withdrawn = result.end == core::AttemptEnd::withdrawn;
    const bool cut_off = stopping_ && result.end != core::AttemptEnd::response;
    if (withdrawn || cut_off || unconfirmed) {
        engine_.release_check(outgoing.check);
    } else {
        const bool has_source =
            is_success(result.status) && core::is_source(worker.client->answer_body());
        // If the encoded token differs from the token, it could not be removed from an answer that
        // repeats the URL.
        if (token == outgoing.token.reveal()) describe_answer(worker, outgoing.token, result);
        engine_.end_check(outgoing.check, result, has_source);
    }
    worker.client->close();
    checker_.reset();
    --busy_;
    begin_check();
    pump();
    if (--running_ == 0) ended_.cancel();
}

void Delivery::describe_answer(Worker& worker, const Secret& token,
                               core::AttemptResult& result) const {
    if (result.end != core::AttemptEnd::response || is_success(result.status)) {
        return;
    }
    const auto& proxy = worker.target->destination.proxy;
    const Secret authorization = proxy ? proxy->authorization : Secret();
    if (result.status < 400) {
        result.detail =
            core::describe_redirect(worker.client->answer_location(), token, authorization);
        if (!result.detail.empty()) return;
    }
    auto said = core::read_server_message(worker.client->answer_body(), token, authorization);
    result.detail = std::move(said.message);
    result.server_errors = std::move(said.errors);
}

asio::awaitable<void> Delivery::stop(Milliseconds grace) {
    stopping_ = true;
    wakeup_.cancel();
    watch_.cancel();
    for (const auto& worker : workers_) worker->wake.cancel();
    if (reporter_) reporter_->client->abort();  // no one waits for its result
    if (checker_) checker_->client->abort();
    engine_.stop_checks();
    const MonoTime deadline = std::chrono::steady_clock::now() + grace;
    while (running_ > 0) {
        ended_.expires_at(aborting_ ? asio::steady_timer::time_point::max() : deadline);
        co_await ended_.async_wait(asio::as_tuple(asio::deferred));
        if (running_ > 0 && !aborting_ && std::chrono::steady_clock::now() >= deadline) {
            aborting_ = true;
            resolver_.give_up();
            for (const auto& worker : workers_) worker->client->abort();
        }
    }
}

}  // namespace flowrelay::runtime
