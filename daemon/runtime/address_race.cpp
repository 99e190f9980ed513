#include "flowrelay/runtime/address_race.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <utility>

namespace flowrelay::runtime {
namespace asio = boost::asio;
using asio::ip::tcp;

AddressRace::AddressRace(asio::any_io_executor io, Milliseconds stagger)
    : io_(std::move(io)), stagger_(stagger), wake_(io_) {}

void AddressRace::begin(const tcp::endpoint& endpoint) {
    Attempt& attempt = attempts_.emplace_back(io_, endpoint);
    ++pending_;
    attempt.socket.async_connect(endpoint, [this, &attempt](const error_code& error) {
        --pending_;
        attempt.outcome = error;
        next_begins_ = MonoTime::min();  // after a failure the next attempt starts at once
        wake_.cancel();
    });
}

AddressRace::Attempt* AddressRace::winner() {
    const auto found =
        std::ranges::find_if(attempts_, [](const Attempt& a) { return a.outcome && !*a.outcome; });
    return found == attempts_.end() ? nullptr : &*found;
}

// operation_aborted: the attempt was still in progress when the race ended, and was closed.
error_code AddressRace::reason() const {
    if (cancelled_) return asio::error::operation_aborted;
    if (attempts_.empty()) return asio::error::host_not_found;
    const error_code last = *attempts_.back().outcome;
    return last == asio::error::operation_aborted ? error_code(asio::error::timed_out) : last;
}

std::string AddressRace::explanation() const {
    std::string text;
    for (const auto& attempt : attempts_) {
        if (!text.empty()) text += "; ";
        const error_code& outcome = *attempt.outcome;
        text += fmt::format(
            "{}: {}", attempt.endpoint.address().to_string(),
            outcome == asio::error::operation_aborted ? "no answer" : outcome.message());
    }
    return text.empty() ? "no address" : text;
}

void AddressRace::cancel() {
    cancelled_ = true;
    wake_.cancel();
}

asio::awaitable<Result<AddressRace::Winner>> AddressRace::run(Endpoints endpoints,
                                                              MonoTime deadline) {
    cancelled_ = false;
    attempts_.clear();
    next_begins_ = MonoTime::min();
    std::size_t begun = 0;
    while (winner() == nullptr && !cancelled_) {
        const MonoTime now = std::chrono::steady_clock::now();
        const bool all_begun = begun == endpoints.size();
        if (now >= deadline || (all_begun && pending_ == 0)) break;
        if (!all_begun && (pending_ == 0 || now >= next_begins_)) {
            next_begins_ = now + stagger_;
            begin(endpoints[begun++]);
            continue;
        }
        wake_.expires_at(all_begun ? deadline : std::min(deadline, next_begins_));
        co_await wake_.async_wait(asio::as_tuple(asio::deferred));
    }
    Attempt* const first = winner();
    for (auto& attempt : attempts_) {
        error_code ignored;
        if (&attempt != first) attempt.socket.close(ignored);
    }
    while (pending_ > 0) {
        wake_.expires_at(MonoTime::max());
        co_await wake_.async_wait(asio::as_tuple(asio::deferred));
    }
    if (first == nullptr) co_return Error{reason(), explanation()};
    Winner result{std::move(first->socket), first->endpoint, {}};
    for (const auto& attempt : attempts_) {
        if (&attempt == first) break;
        result.passed_over.push_back(attempt.endpoint);
    }
    attempts_.clear();
    co_return result;
}

}  // namespace flowrelay::runtime
