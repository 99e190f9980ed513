#include "server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <stdexcept>

namespace flowrelay::test {
namespace {

/// Returns the text between `before` and the next quotation mark.
std::string_view between(std::string_view text, std::string_view before) {
    const auto at = text.find(before);
    if (at == std::string_view::npos) {
        throw std::logic_error(fmt::format("no {} in a request: {}", before, text));
    }
    text.remove_prefix(at + before.size());
    return text.substr(0, text.find('"'));
}

std::uint64_t number_in(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

PostedEvent read_post(std::string_view body) {
    PostedEvent event;
    event.token = number_in(between(body, R"("flow_token":"s3cret-)"));
    event.id = between(body, R"("uuid":")");
    event.number = number_in(between(body, R"("title":"event )"));
    event.thread = between(body, R"("external_thread_id":")");
    return event;
}

bool is_unacceptable(std::uint64_t number) {
    return number % 17 == 3;
}

Milliseconds Server::latency() {
    return Milliseconds(1 + random_.below(weather_ == Weather::slow ? 5000 : 40));
}

Server::Reply Server::answer(int status, std::string detail) {
    Reply reply;
    reply.result.status = status;
    reply.result.detail = std::move(detail);
    reply.takes = latency();
    reply.result.elapsed = reply.takes;
    reply.processed = status >= 200 && status < 300;
    return reply;
}

Server::Reply Server::end(core::AttemptEnd how, Milliseconds takes, bool processed) {
    Reply reply;
    reply.result.end = how;
    reply.takes = takes;
    reply.processed = processed;
    return reply;
}

Server::Reply Server::wait_please(int status) {
    Reply reply = answer(status, "not so fast");
    // Some answers have a Retry-After, some one that is too long, some none.
    if (random_.chance(0.7)) {
        const std::uint64_t most = random_.chance(0.1) ? 20'000 : 1ULL << random_.below(8);
        reply.result.retry_after = Seconds(random_.below(most + 1));
    }
    return reply;
}

Server::Reply Server::any_trouble() {
    switch (random_.below(7)) {
        case 0:
            return answer(500);
        case 1:
            return wait_please(503);
        case 2:
            return end(core::AttemptEnd::connect_failed, latency(), false);
        case 3:
            return end(core::AttemptEnd::write_failed, latency(), false);
        case 4:
            return end(core::AttemptEnd::timed_out, Seconds(30), random_.chance(0.5));
        case 5:
            return answer(random_.chance(0.5) ? 408 : 425);
        default:
            return end(core::AttemptEnd::broken_response, latency(), random_.chance(0.5));
    }
}

// Returns inconsistent answers about all tokens and about each, delayed at random: an answer that
// shows an outage may arrive after its end, or while the destination is being probed.
Server::Reply Server::anything() {
    switch (random_.below(8)) {
        case 0:
            return later(answer(random_.chance(0.5) ? 404 : 405));
        case 1:
        case 2:
        case 3:
            return later(wait_please(503));
        case 4:
        case 5:
            return later(answer(202));
        default:
            return later(any_trouble());
    }
}

Server::Reply Server::anything_of_token() {
    switch (random_.below(4)) {
        case 0:
            return later(answer(random_.chance(0.5) ? 401 : 403));
        case 1:
            return later(answer(202));
        default:
            return later(wait_please(429));
    }
}

Server::Reply Server::later(Reply reply) {
    if (random_.chance(0.8)) reply.takes += Milliseconds(random_.below(30'000));
    return reply;
}

// Answers that must have no effect: the token is gone, nothing is found, all must wait.
Server::Reply Server::say_to_former(Reply reply) {
    if (random_.chance(reply.processed ? 0.8 : 0.2)) return reply;
    const bool processed = reply.processed;
    constexpr int finals[] = {302, 400, 401, 403, 404, 410, 410, 410, 422};
    switch (random_.below(4)) {
        case 0:
            reply = wait_please(random_.chance(0.5) ? 503 : 429);
            break;
        case 1:
            reply = any_trouble();
            break;
        default:
            reply = answer(finals[random_.below(std::size(finals))]);
    }
    reply.processed = processed || reply.processed;
    return reply;
}

// Returns a limit like nginx's limit_req or limit_conn.
Server::Limit Server::any_limit() {
    constexpr double rates[] = {2, 10, 50};
    Limit limit;
    limit.refusal = random_.chance(0.5) ? 429 : 503;
    if (random_.chance(0.5)) {
        limit.rate = rates[random_.below(std::size(rates))];
        limit.burst = random_.chance(0.5) ? 5 : 0;
    } else {
        limit.places = 1 + random_.below(4);
    }
    return limit;
}

bool Server::passes_limit(MonoTime now) {
    if (limit_.rate > 0) {
        const bool first = limit_.last == MonoTime::min();
        const double since = first ? 0 : in_seconds(now - limit_.last);
        const double excess = first ? 0 : std::max(0.0, limit_.excess - limit_.rate * since + 1);
        if (excess > limit_.burst) return true;
        limit_.excess = excess;
        limit_.last = now;
        return false;
    }
    limit_.ends.erase(limit_.ends.begin(), limit_.ends.upper_bound(now));
    return limit_.ends.size() >= limit_.places;
}

Server::Reply Server::post(const PostedEvent& event, MonoTime now) {
    Reply reply = limited(event, now);
    if (reply.result.end != core::AttemptEnd::connect_failed) keys_.insert(event.seq);
    return reply;
}

Server::Reply Server::limited(const PostedEvent& event, MonoTime now) {
    if (weather_ != Weather::limiting) return take(event);
    if (passes_limit(now)) return answer(limit_.refusal, "not so fast");
    Reply reply = take(event);
    limit_.ends.insert(now + reply.takes);
    return reply;
}

// Returns an answer that concerns only this event: the first request with its key is still being
// processed, or it is too large for now.
Server::Reply Server::busy_with(const PostedEvent& event) {
    const bool is_known = keys_.contains(event.seq) && random_.chance(0.7);
    Reply reply = answer(is_known ? 409 : 413, "not now");
    if (!is_known || random_.chance(0.5)) reply.result.retry_after = Seconds(random_.below(64));
    return reply;
}

Server::Reply Server::take(const PostedEvent& event) {
    if (weather_ == Weather::down) {
        return end(core::AttemptEnd::connect_failed, Seconds(random_.below(10)), false);
    }
    if (weather_ == Weather::hanging && random_.chance(0.9)) {
        return end(core::AttemptEnd::timed_out, Seconds(30), random_.chance(0.3));
    }
    if (weather_ == Weather::wrong_url) return answer(random_.chance(0.5) ? 404 : 302);
    if (weather_ == Weather::refusing && !gone_.contains(event.token)) {
        return answer(refuse_all_status, "plain HTTP to an HTTPS port");
    }
    if (weather_ == Weather::busy && random_.chance(0.7)) return wait_please(503);
    if (weather_ == Weather::failing && random_.chance(0.8)) return any_trouble();
    if (weather_ == Weather::flaky && random_.chance(0.15)) return any_trouble();
    if (weather_ == Weather::mixed && random_.chance(0.7)) return anything();
    if (gone_.contains(event.token)) return answer(410);
    switch (tokens_[event.token]) {
        case TokenWeather::throttled:
            if (random_.chance(0.5)) return wait_please(429);
            break;
        case TokenWeather::refused:
            return answer(random_.chance(0.5) ? 401 : 403, "who are you?");
        case TokenWeather::mixed:
            if (random_.chance(0.7)) return anything_of_token();
            break;
        case TokenWeather::failing:
            return answer(random_.chance(0.5) ? 500 : 502);
        case TokenWeather::hanging:
            return end(core::AttemptEnd::timed_out, Seconds(30), random_.chance(0.3));
        case TokenWeather::asking:
            return wait_please(503);
        case TokenWeather::calm:
            break;
    }
    if (failing_threads_.contains(event.thread)) return answer(503);
    if (!healed_ && random_.chance(0.08)) return busy_with(event);
    if (is_unacceptable(event.number) && !lenient_) {
        Reply reply = answer(422, "Validation error");
        reply.result.server_errors = R"({"title":["is bad"]})";
        return reply;
    }
    return answer(random_.chance(0.5) ? 202 : 200);
}

Server::Reply Server::show(std::size_t token, const std::string& message) {
    if (weather_ != Weather::calm && random_.chance(0.3)) {
        Reply reply = any_trouble();
        if (reply.processed) shown_[token] = message;
        return reply;
    }
    if (gone_.contains(token)) return answer(410);
    if (tokens_[token] == TokenWeather::refused && random_.chance(0.5)) return answer(401);
    shown_[token] = message;
    return answer(200);
}

Server::Reply Server::find(std::size_t token) {
    Reply reply = answer(200);
    if (weather_ != Weather::calm && random_.chance(0.3)) {
        reply = any_trouble();
    } else if (gone_.contains(token)) {
        reply = answer(410);
    } else if (tokens_[token] == TokenWeather::refused) {
        reply = answer(random_.chance(0.5) ? 401 : 404);
    }
    return reply;
}

void Server::change_weather(std::size_t token) {
    if (healed_) return;
    switch (random_.below(8)) {
        case 0:
        case 1:
            weather_ = Weather::calm;
            break;
        case 2:
            tokens_[token] = static_cast<TokenWeather>(1 + random_.below(6));
            break;
        case 3:
            tokens_.clear();
            failing_threads_.clear();
            break;
        case 4:
            failing_threads_.insert(fmt::format("t{}", random_.below(4)));
            break;
        case 5:
            weather_ = random_.chance(0.5) ? Weather::busy : Weather::mixed;
            break;
        default:
            weather_ = static_cast<Weather>(random_.below(weathers));
            if (weather_ == Weather::limiting) limit_ = any_limit();
    }
}

void Server::contradict_itself(std::size_t token) {
    if (healed_) return;
    if (random_.chance(0.5)) {
        weather_ = Weather::mixed;
    } else {
        weather_ = Weather::calm;
        tokens_[token] = TokenWeather::mixed;
    }
}

void Server::heal() {
    healed_ = true;
    weather_ = Weather::calm;
    tokens_.clear();
    failing_threads_.clear();
}

}  // namespace flowrelay::test
