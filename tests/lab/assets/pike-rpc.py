"""A collector that serves casts, as those of Juno to Liberty did: oslo.messaging's RPC server on the metering topic, whose
endpoint has the signature of `CollectorService.record_metering_data`. Release 9.0.7 lacks that endpoint and has what it
calls: it verifies as the dispatchers of those releases do, and hands the good samples on to its own file dispatcher.
"""
import logging
import sys

import oslo_messaging
from ceilometer import messaging, service
from ceilometer.dispatcher import file
from ceilometer.publisher import utils

LOG = logging.getLogger("ceilometer.collector")


class Endpoint:
    def __init__(self, secret, dispatcher):
        self.secret = secret
        self.dispatcher = dispatcher

    def record_metering_data(self, context, data):
        goods = []
        for sample in data:
            if utils.verify_signature(sample, self.secret):
                goods.append(sample)
            else:
                LOG.warning("message signature invalid, discarding message: %r", sample)
        self.dispatcher.record_metering_data(goods)


conf = service.prepare_service(argv=[], config_files=[sys.argv[1]])
endpoint = Endpoint(conf.publisher.telemetry_secret, file.FileDispatcher(conf))
target = oslo_messaging.Target(topic=conf.publisher_notifier.metering_topic, server="collector")
transport = messaging.get_transport(conf)
server = oslo_messaging.get_rpc_server(transport, target, [endpoint], executor="threading")
server.start()
server.wait()
