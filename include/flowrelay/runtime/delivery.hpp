// The workers that post events. Each worker has one connection; it takes the next event that may be
// sent, posts it and reports the result. Workers are created when there is work for them, up to a
// limit; the most recently used one is used first. Problem reports and source checks use separate
// workers, so that a slow answer to one of them delays no event. I/O thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/http/request_writer.hpp"
#include "flowrelay/runtime/destination.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/http_client.hpp"
#include "flowrelay/runtime/resolver.hpp"
#include "flowrelay/runtime/tls.hpp"

namespace flowrelay::runtime {

struct DeliveryOptions {
    std::uint32_t max_connections = 32;
    std::string user_agent = "flowrelay";
};

class Delivery {
public:
    /// `engine` outlives this object. `tls` is null for plain http.
    Delivery(boost::asio::any_io_executor io, Engine& engine, Destination destination,
             std::shared_ptr<TlsContext> tls, DeliveryOptions options);
    ~Delivery();

    /// Starts delivering; continues until stop().
    void start();

    /// Takes no new events, waits up to `grace` for requests in flight, then aborts them.
    boost::asio::awaitable<void> stop(Milliseconds grace);

    /// Sends further events to another destination. Requests in flight finish at the old one.
    void retarget(Destination destination, std::shared_ptr<TlsContext> tls);

    /// Sets the limit. A higher one takes effect when there is work for more connections. A lower
    /// one takes effect through the scheduler, which hands out fewer events at a time.
    void set_max_connections(std::uint32_t max) noexcept { options_.max_connections = max; }

    std::size_t connections() const noexcept;
    bool resolving() const noexcept { return resolver_.busy(); }

private:
    struct Target;
    struct Worker;

    bool pump();
    void arm_wakeup(Now looked_at);
    static bool is_in_doubt(const Worker& worker, const core::AttemptResult& result);
    boost::asio::awaitable<void> tick();
    boost::asio::awaitable<void> watch_deadlines();
    boost::asio::awaitable<void> work(Worker& worker);
    boost::asio::awaitable<void> wait_for_work(Worker& worker);
    void prepare(Worker& worker, Result<core::EventRecord>&& event);
    void posted(Worker& worker, core::AttemptResult&& result, Now now);
    bool may_send(const Worker& worker) const;
    void take_next(Worker& worker, Now now);
    void begin_report();
    boost::asio::awaitable<void> report(Engine::OutgoingReport outgoing);
    void begin_check();
    boost::asio::awaitable<void> check(Engine::OutgoingCheck outgoing);
    void describe_answer(Worker& worker, const Secret& token, core::AttemptResult& result) const;
    void hire();

    boost::asio::any_io_executor io_;
    Engine& engine_;
    DeliveryOptions options_;
    Resolver resolver_;
    std::shared_ptr<const Target> target_;

    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Worker*> idle_;
    std::size_t running_ = 0;           ///< coroutines of this object that have not returned
    std::size_t busy_ = 0;              ///< workers with an event, a report or a check
    std::unique_ptr<Worker> reporter_;  ///< worker of the problem report in progress
    std::unique_ptr<Worker> checker_;   ///< worker of the source check in progress
    bool stopping_ = false;
    bool aborting_ = false;
    boost::asio::steady_timer wakeup_;
    boost::asio::steady_timer watch_;
    bool watching_ = false;  ///< watch_ is armed
    boost::asio::steady_timer ended_;
};

}  // namespace flowrelay::runtime
