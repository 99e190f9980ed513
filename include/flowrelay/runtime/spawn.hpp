// Starts a coroutine. An exception that escapes from it is a bug and ends the process, instead of
// silently ending only that task.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

namespace flowrelay::runtime {

inline void spawn(const boost::asio::any_io_executor& io, boost::asio::awaitable<void> task) {
    boost::asio::co_spawn(io, std::move(task), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);  // out of io_context::run, to main
    });
}

}  // namespace flowrelay::runtime
