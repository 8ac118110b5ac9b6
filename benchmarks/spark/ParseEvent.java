package citypulse.benchmark;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF1;

/** Protobuf as Spark takes it without its own connector for it: the generated class, behind a function of one argument. */
public class ParseEvent implements UDF1<byte[], Row> {
  @Override
  public Row call(byte[] value) throws Exception {
    EventProtos.Event event = EventProtos.Event.parseFrom(value);
    Row[] refs = new Row[event.getRefsCount()];
    for (int number = 0; number < refs.length; number++) {
      refs[number] = RowFactory.create(event.getRefs(number).getType());
    }
    return RowFactory.create(
        event.getPost(), event.getAt(), event.hasAuthor() ? (Long) event.getAuthor() : null, refs,
        event.hasCountry() ? event.getCountry() : null, event.hasCity() ? event.getCity() : null,
        event.getFeedsList().toArray(new String[0]), event.getReceived());
  }
}
