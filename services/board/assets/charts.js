// What the page takes of its libraries, in one file.
import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GeoComponent, GridComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { feature } from "topojson-client";

echarts.use([
  AriaComponent, BarChart, CanvasRenderer, GeoComponent, GridComponent, LineChart, ScatterChart, TooltipComponent,
  VisualMapComponent,
]);

export { echarts, feature };
