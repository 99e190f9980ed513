// Lets a coroutine of the I/O thread wait for the storage thread.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

/// Starts a request whose answer is passed to the given function, once and on the I/O thread.
template <class T>
using Ask = std::function<void(std::function<void(T)>)>;

/// Runs `ask` and waits for the answer.
template <class T>
boost::asio::awaitable<std::shared_ptr<T>> answer_of(Ask<T> ask) {
    auto initiate = [ask = std::move(ask)](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        ask([shared](T answer) { (*shared)(std::make_shared<T>(std::move(answer))); });
    };
    const auto answer = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                                             void(std::shared_ptr<T>)>(
        initiate, boost::asio::use_awaitable);
    co_return answer;
}

/// Runs `work` on the storage thread and returns its result.
template <class T>
boost::asio::awaitable<std::shared_ptr<T>> on_storage(Engine& engine,
                                                      std::function<T(storage::Spool&)> work) {
    Ask<T> ask = [&engine, work = std::move(work)](std::function<void(T)> done) {
        engine.storage().ask([work, done](storage::Spool& spool) -> std::function<void()> {
            auto result = std::make_shared<T>(work(spool));
            return [done, result] { done(std::move(*result)); };
        });
    };
    const auto result = co_await answer_of<T>(std::move(ask));
    co_return result;
}

}  // namespace flowrelay::runtime
