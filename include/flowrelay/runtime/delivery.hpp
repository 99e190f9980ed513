// The workers that post events: each has one connection, takes the next event that may go, posts
// it, says how it went. Workers are made when there is work for them, up to a limit; the one that
// was used last is used first. Reports of problems have a connection of their own beside them, for
// as long as one takes: a slow answer to one holds up no event. I/O thread only.
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
    /// References outlive the object. `tls` is null for plain http.
    Delivery(boost::asio::any_io_executor io, Engine& engine, Destination destination,
             std::shared_ptr<TlsContext> tls, DeliveryOptions options);
    ~Delivery();

    /// Begins; goes on until stop().
    void start();

    /// Takes no new events, waits up to `grace` for the requests that run, ends them.
    boost::asio::awaitable<void> stop(Milliseconds grace);

    /// From now on events go there. Requests that are under way end where they are.
    void retarget(Destination destination, std::shared_ptr<TlsContext> tls);

    /// More connections are made from now on, if there is work for them. Fewer are used as the
    /// scheduler gives less out.
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
    std::size_t running_ = 0;           ///< coroutines of this object that have not ended
    std::size_t busy_ = 0;              ///< workers with an event, a report, a check
    std::unique_ptr<Worker> reporter_;  ///< of the report that is under way
    std::unique_ptr<Worker> checker_;   ///< of the source that is asked for
    bool stopping_ = false;
    bool aborting_ = false;
    boost::asio::steady_timer wakeup_;
    boost::asio::steady_timer watch_;
    bool watching_ = false;  ///< watch_ has a time to end at
    boost::asio::steady_timer ended_;
};

}  // namespace flowrelay::runtime
