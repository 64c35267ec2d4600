# Sidekiq: jobs, schedules, retries, the dead, a server that is asked to stop: ruby app_sidekiq.rb PORT
require "sidekiq"
require "sidekiq/api"

PORT = Integer(ENV["BRAID_PORT"] || ARGV.fetch(0))
URL = "redis://127.0.0.1:#{PORT}/0"

Sidekiq.logger.level = Logger::FATAL
Sidekiq.configure_client { |config| config.redis = { url: URL } }
Sidekiq.configure_server do |config|
  config.redis = { url: URL }
  config.options[:poll_interval_average] = 0.1
  # It would look after the scheduled jobs only after five seconds.
  require "sidekiq/scheduled"
  Sidekiq::Scheduled::Poller.prepend(Module.new { def initial_wait = nil })
end

class Tell
  include Sidekiq::Worker
  sidekiq_options queue: "low"

  def perform(key, text)
    Sidekiq.redis { |redis| redis.rpush(key, text) }
  end
end

class Count
  include Sidekiq::Worker
  sidekiq_options queue: "high"

  def perform(key)
    Sidekiq.redis { |redis| redis.incr(key) }
  end
end

# Succeeds the third time.
class Stubborn
  include Sidekiq::Worker
  sidekiq_options queue: "low", retry: 5

  def perform(key)
    attempts = Sidekiq.redis { |redis| redis.incr(key) }
    raise "not yet" if attempts < 3
  end
end

class Hopeless
  include Sidekiq::Worker
  sidekiq_options queue: "low", retry: 0

  def perform = raise("as it was meant to")
end

class Slow
  include Sidekiq::Worker
  sidekiq_options queue: "high"

  def perform = sleep(60)
end

def fail!(text) = raise("#{text}\n#{caller.join("\n")}")

def same(wanted, got)
  fail!("expected #{wanted.inspect}, got #{got.inspect}") unless wanted == got
end

def until_so(what)
  4000.times { yield ? return : sleep(0.005) }
  fail!("it does not come to pass: #{what}")
end

def get(key) = Sidekiq.redis { |redis| redis.get(key).to_i }

def list(key) = Sidekiq.redis { |redis| redis.lrange(key, 0, -1) }

def before_anybody_works
  10.times { |number| Tell.perform_async("kept", number) }
  high, low = Sidekiq::Queue.new("high"), Sidekiq::Queue.new("low")
  same([0, 10], [high.size, low.size])
  same((0..9).to_a.reverse, low.map { |job| job.args[1] })
  fail!("latency #{low.latency}") unless low.latency.between?(0, 30)
  low.find_job(low.first.jid).delete
  same(9, low.size)
  later = Tell.perform_in(3600, "kept", "removed")
  same([later], Sidekiq::ScheduledSet.new.map(&:jid))
  Sidekiq::ScheduledSet.new.find_job(later).delete
  same(0, Sidekiq::ScheduledSet.new.size)
end

def work
  until_so("what was there is done") { list("kept").size == 9 }
  Sidekiq::Client.push_bulk("class" => Count, "args" => [["count"]] * 500)
  100.times { Count.perform_async("count") }
  until_so("600 jobs") { get("count") == 600 }
  until_so("they are reckoned") { Sidekiq::Stats.new.reset && Sidekiq::Queue.new("high").size.zero? }
end

def schedules
  started = Time.now
  Tell.perform_in(0.4, "scheduled", "second")
  Tell.perform_in(0.1, "scheduled", "first")
  Tell.perform_at(Time.now + 3600, "scheduled", "never")
  until_so("two are due") { list("scheduled").size == 2 }
  same(%w[first second], list("scheduled"))
  fail!("before its time") if Time.now - started < 0.4
  scheduled = Sidekiq::ScheduledSet.new
  same(1, scheduled.size)
  scheduled.each(&:add_to_queue)
  until_so("what is not due is done when told so") { list("scheduled").last == "never" }
end

def retries_and_the_dead
  Stubborn.perform_async("attempts")
  2.times do |number|
    # It would be tried again after 15 seconds and more.
    until_so("it waits for its next try") { get("attempts") == number + 1 && Sidekiq::RetrySet.new.size == 1 }
    Sidekiq::RetrySet.new.first.retry
  end
  until_so("the third attempt") { get("attempts") == 3 }
  hopeless = Hopeless.perform_async
  dead = Sidekiq::DeadSet.new
  until_so("it is dead") { dead.size == 1 }
  job = dead.find_job(hopeless)
  same(["as it was meant to", "Hopeless"], [job["error_message"], job.klass])
  job.retry
  until_so("it dies again") { dead.size == 1 }
  dead.clear
  until_so("nothing is tried again") { Sidekiq::RetrySet.new.size.zero? }
end

def processes(server)
  jid = Slow.perform_async
  Sidekiq::Workers.new.size # It prunes what is gone.
  until_so("the process tells of itself") { Sidekiq::ProcessSet.new.size == 1 }
  process = Sidekiq::ProcessSet.new.first
  same([%w[high low], 5], [process["queues"].sort.uniq, process["concurrency"]])
  until_so("the slow job is taken") { Sidekiq::Queue.new("high").size.zero? }
  process.stop!
  Process.wait(server)
  same(true, $?.success?)
  # What was not done when the server had to stop is queued again.
  same([jid], Sidekiq::Queue.new("high").map(&:jid))
  same([0, 0], [Sidekiq::ProcessSet.new.size, Sidekiq::Workers.new.size])
end

def main
  Sidekiq.redis(&:flushall)
  before_anybody_works
  # It waits a second longer than its threads wait in BRPOP: they would take what it gives back.
  command = ["sidekiq", "-r", File.expand_path(__FILE__), "-q", "high,2", "-q", "low,1", "-c", "5", "-t", "3", "-e", "production"]
  server = Process.spawn({ "BRAID_PORT" => PORT.to_s }, *command, pgroup: true)
  begin
    work
    schedules
    retries_and_the_dead
    processes(server)
  ensure
    Process.kill("KILL", -server) rescue Errno::ESRCH
  end
  puts "Sidekiq: fine"
end

main if $PROGRAM_NAME == __FILE__
